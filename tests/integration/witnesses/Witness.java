import io.camunda.client.CamundaClient;
import io.camunda.client.api.response.ActivatedJob;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Drives an engine with Camunda's Java client (Apache-2.0): deploy, poll, stream and REST. Arguments: GRPC REST. */
public class Witness {
  public static void main(String[] arguments) throws Exception {
    byte[] diagram = System.getenv("DIAGRAM").getBytes(StandardCharsets.UTF_8);
    for (boolean rest : new boolean[] {false, true}) {
      try (CamundaClient client = CamundaClient.newClientBuilder()
          .grpcAddress(URI.create("http://" + arguments[0])).restAddress(URI.create(arguments[1]))
          .preferRestOverGrpc(rest).defaultRequestTimeout(Duration.ofSeconds(20)).build()) {
        String way = rest ? "rest" : "grpc";
        say(way + ".partitions", client.newTopologyRequest().send().join().getPartitionsCount());
        var deployed = client.newDeployResourceCommand().addResourceBytes(diagram, "witness.bpmn").send().join();
        say(way + ".process", deployed.getProcesses().get(0).getBpmnProcessId());
        long key = client.newCreateInstanceCommand().bpmnProcessId("witness").latestVersion().variables(Map.of("n", 4)).send().join()
            .getProcessInstanceKey();
        var jobs = client.newActivateJobsCommand().jobType("witness").maxJobsToActivate(1).timeout(Duration.ofMinutes(1)).send().join().getJobs();
        say(way + ".variables", jobs.get(0).getVariables());
        client.newFailCommand(jobs.get(0).getKey()).retries(0).errorMessage("no").send().join();
        var incidents = client.newIncidentSearchRequest().filter(f -> f.processInstanceKey(key)).send().join().items();
        say(way + ".incident", incidents.get(0).getErrorType() + " " + incidents.get(0).getErrorMessage());
        client.newUpdateRetriesCommand(jobs.get(0).getKey()).retries(1).send().join();
        client.newResolveIncidentCommand(incidents.get(0).getIncidentKey()).send().join();
        var done = new ConcurrentHashMap<Long, String>();
        try (var worker = client.newWorker().jobType("witness").handler((c, job) -> {
              c.newCompleteCommand(job.getKey()).variables(Map.of("doubled", ((Number) job.getVariablesAsMap().get("n")).intValue() * 2)).send().join();
              done.put(job.getKey(), "done");
            }).streamEnabled(!rest).open()) {
          Thread.sleep(500);
          var result = client.newCreateInstanceCommand().bpmnProcessId("witness").latestVersion().variables(Map.of("n", 21)).withResult()
              .requestTimeout(Duration.ofSeconds(20)).send().join();
          say(way + ".result", result.getVariablesAsMap().get("doubled"));
        }
        say(way + ".state", client.newProcessInstanceGetRequest(key).send().join().getState());
        say(way + ".definitions", client.newProcessDefinitionSearchRequest().filter(f -> f.processDefinitionId("witness")).send().join().items().size());
        client.newPublishMessageCommand().messageName("nobody").correlationKey("x").timeToLive(Duration.ZERO).send().join();
      }
    }
  }

  private static void say(String name, Object value) {
    System.out.println("RESULT " + name + "=" + value);
  }
}

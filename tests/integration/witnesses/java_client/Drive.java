import io.camunda.client.CamundaClient;
import io.camunda.client.api.command.ClientStatusException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** Deploys a process, works on its jobs with a stream or by polling, and prints what came of it. */
public class Drive {
  public static void main(String[] arguments) throws Exception {
    URI address = URI.create("http://" + arguments[0]);
    byte[] process = Files.readAllBytes(Path.of(arguments[1]));
    try (CamundaClient client =
        CamundaClient.newClientBuilder().grpcAddress(address).preferRestOverGrpc(false).build()) {
      System.out.println("brokers " + client.newTopologyRequest().send().join().getBrokers().size());
      var deployed = client.newDeployResourceCommand().addResourceBytes(process, "x.bpmn").send().join();
      System.out.println("version " + deployed.getProcesses().get(0).getVersion());
      for (boolean stream : new boolean[] {true, false}) {
        try (var worker =
            client
                .newWorker()
                .jobType("m")
                .handler(
                    (jobs, job) ->
                        jobs.newCompleteCommand(job)
                            .variables(Map.of("result", ((Number) job.getVariable("item")).intValue() * 2))
                            .send()
                            .join())
                .streamEnabled(stream)
                .timeout(Duration.ofSeconds(10))
                .open()) {
          var ended =
              client
                  .newCreateInstanceCommand()
                  .bpmnProcessId("p")
                  .latestVersion()
                  .variables(Map.of("items", List.of(1, 2, 3)))
                  .withResult()
                  .requestTimeout(Duration.ofSeconds(20))
                  .send()
                  .join();
          System.out.println("results " + ended.getVariablesAsMap().get("results"));
        }
      }
      try {
        client.newCompleteCommand(1L).send().join();
      } catch (ClientStatusException refused) {
        System.out.println("refused " + refused.getStatusCode());
      }
    }
  }
}

// Drives an engine with Camunda's Node client (Apache-2.0), over gRPC and REST: node witness.mjs GRPC REST
import { Camunda8 } from '@camunda8/sdk';

const [grpc, rest] = process.argv.slice(2);
const camunda = new Camunda8({
  ZEEBE_GRPC_ADDRESS: `grpc://${grpc}`, ZEEBE_REST_ADDRESS: rest, CAMUNDA_AUTH_STRATEGY: 'NONE',
  CAMUNDA_LOG_LEVEL: 'none', CAMUNDA_SUPPORT_LOG_ENABLED: false,
});
const seen = {};
const diagram = Buffer.from(process.env.DIAGRAM);

const zeebe = camunda.getZeebeGrpcApiClient();
seen.partitions = (await zeebe.topology()).partitionsCount;
await zeebe.deployResource({ process: diagram, name: 'witness.bpmn' });
const worker = zeebe.createWorker({
  taskType: 'witness', loglevel: 'NONE',
  taskHandler: async (job) => job.complete({ doubled: job.variables.n * 2 }),
});
const done = await zeebe.createProcessInstanceWithResult({ bpmnProcessId: 'witness', variables: { n: 21 }, requestTimeout: 20000 });
seen.grpc = done.variables;
await worker.close();

const client = camunda.getCamundaRestClient();
seen.restPartitions = (await client.getTopology()).partitionsCount;
const created = await client.createProcessInstance({ processDefinitionId: 'witness', variables: { n: 4 } });
const jobs = await client.activateJobs({ type: 'witness', worker: 'w', timeout: 30000, maxJobsToActivate: 1, requestTimeout: 5000 });
seen.restVariables = jobs[0].variables;
await client.completeJob({ jobKey: jobs[0].jobKey, variables: { doubled: 8 } });
const found = await client.searchProcessInstances({ filter: { processInstanceKey: created.processInstanceKey }, sort: [{ field: 'startDate', order: 'ASC' }] });
seen.state = found.items[0].state;
await client.publishMessage({ name: 'nobody', correlationKey: 'x', messageId: '1', timeToLive: 1000, variables: {} });
console.log('RESULT ' + JSON.stringify(seen));
await zeebe.close();
process.exit(0);

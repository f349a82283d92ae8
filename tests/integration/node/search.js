// Runs a whole search as another service would: it has the proto file and an address, and nothing of katib's.
// Prints what it saw as one line of JSON.
'use strict';

const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, proto, token] = process.argv.slice(2);
const definition = loader.loadSync(proto, { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true });
const { Experiments } = grpc.loadPackageDefinition(definition).katib.v1.experiments;
const client = new Experiments(address, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set('authorization', `Bearer ${token}`);

const call = (method, request) =>
  new Promise((resolve, reject) => {
    client[method](request, metadata, { deadline: Date.now() + 60_000 }, (error, answer) =>
      error ? reject(error) : resolve(answer));
  });

const place = { namespace: 'team-a', experiment: 'from-node' };

async function work(client_id, seen) {
  for (;;) {
    const asked = await call('SuggestTrials', { ...place, client_id, lease: { seconds: 30 }, wait: { seconds: 20 } });
    if (asked.over) return asked.state;
    for (const trial of asked.trials) {
      const again = await call('SuggestTrials', { ...place, client_id });
      if (again.trials[0].name !== trial.name) throw new Error('a worker that comes back gets another trial');
      const values = Object.fromEntries(trial.assignments.map((each) => [each.name, each[each.value]]));
      const loss = values.x ** 2 + values.layers + (values.optimizer === 'sgd' ? 1 : 0);
      const here = { ...place, client_id, trial: trial.name };
      const order = await call('ReportMeasurement', {
        ...here, request_id: `r-${trial.name}`, measurements: [{ metric: 'loss', number: loss + 1, step: 0 }],
      });
      const held = await call('Heartbeat', { ...place, client_id });
      const stop = await call('ShouldStop', here);
      if (order.should_stop || stop.should_stop || held.trials[0].lost) throw new Error('it is not told to stop');
      const outcome = trial.index === 1 ? 'BROKEN' : 'COMPLETED';
      const done = { ...here, request_id: `c-${trial.name}`, outcome, measurements: [{ metric: 'loss', number: loss, step: 1 }] };
      const ended = await call('CompleteTrial', done);
      const twice = await call('CompleteTrial', done);
      if (JSON.stringify(ended) !== JSON.stringify(twice)) throw new Error('the second answer is another one');
      seen[trial.name] = { loss, state: ended.state, values };
    }
  }
}

async function refusal(method, request) {
  try {
    await call(method, request);
    return null;
  } catch (error) {
    return { code: error.code, text: error.details, details: error.metadata.get('grpc-status-details-bin').length };
  }
}

async function main() {
  const search = {
    name: 'from-node',
    parameters: [
      { name: 'x', double_space: { min: -2, max: 2 } },
      { name: 'layers', int_space: { min: 1, max: 5 } },
      { name: 'optimizer', categorical_space: { values: ['adam', 'sgd'] } },
    ],
    objectives: [{ metric: 'loss', direction: 'MINIMIZE' }],
    algorithm: 'tpe',
    max_trial_count: 10,
    parallel_trial_count: 2,
    max_failed_trial_count: 3,
    seed: 3,
  };
  await call('CreateExperiment', { namespace: 'team-a', request_id: 'one', search });
  const told = [];
  const watch = client.WatchExperiments(
    { namespace: 'team-a', name: 'from-node', trials: true, until_over: true }, metadata);
  const watched = new Promise((resolve, reject) => {
    watch.on('data', (message) => told.push(message.change));
    watch.on('error', reject);
    watch.on('end', resolve);
  });
  const seen = {};
  const states = await Promise.all([work('node-1', seen), work('node-2', seen)]);
  await watched;
  const experiment = await call('GetExperiment', { namespace: 'team-a', name: 'from-node' });
  const refusals = [
    await refusal('CreateExperiment', { namespace: 'team-a', request_id: 'two', search }),
    await refusal('GetExperiment', { namespace: 'team-a', name: 'nothing' }),
    await refusal('CreateExperiment', { namespace: 'team-a', search: { ...search, name: 'other', max_trial_count: -1 } }),
    await refusal('GetExperiment', { namespace: 'team-b', name: 'from-node' }),
  ];
  console.log(JSON.stringify({ seen, states, told, best: experiment.best, counts: experiment.counts, refusals }));
  client.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

// What an account may have of JetStream, as servers enforce it: limits for all streams, and limits by tier.
import assert from 'node:assert/strict';
import { changeUntil } from './lib/claims.mjs';
import { JetStream } from './lib/jetstream.mjs';
import './lib/ed25519.mjs';
import { onStage } from './lib/stage.mjs';

const tooFewBytes = /insufficient storage resources/;
const tooLittleMemory = /insufficient memory resources/;
const notEnabled = /not enabled for account/;
const tooManyStreams = /maximum number of streams/;
const tooManyConsumers = /maximum consumers limit/;
const tooLarge = /exceeds account limit max stream bytes/;
const tooManyUnacknowledged = (limit) => new RegExp(`max ack pending exceeds system limit of ${limit}$`);
const noTier = /no JetStream default or applicable tiered limit/;

/** An account with a client that speaks JetStream. */
async function makeAccount(stage, name, fields) {
  const role = await stage.createRole(name, ['>'], ['>']);
  const account = await stage.createAccount(name, fields);
  const user = await stage.createUser(name, account, role);
  await stage.proven(account);
  const client = await stage.connect(user.creds_file);
  return { account, client, jetstream: new JetStream(client) };
}

async function changed(stage, account, fields) {
  await stage.change(account, fields);
  await stage.proven(account);
}

for (const which of ['newest', 'oldest']) {
  onStage(`JetStream of accounts on the ${which} server`, { which, jetstream: true }, (stage, test, together) => {
    together('each in an account of its own', () => {
      test('no storage: no JetStream, until there is some, and then again', async (t) => {
        const { account, jetstream } = await makeAccount(stage, 'none', { max_streams: 5 });
        const isOn = (answer) => answer.error === undefined;
        const isOff = ({ error }) => notEnabled.test(error?.description);
        await jetstream.refusesStream('S', notEnabled);
        await changeUntil(stage, t, account, { max_jetstream_disk_storage: 1000 }, 'storage given', () => jetstream.info('JetStream', isOn));
        await jetstream.stream('S', { max_bytes: 1000 });
        await changeUntil(stage, t, account, { max_jetstream_disk_storage: 0 }, 'storage taken', () => jetstream.info('none', isOff));
        await stage.proven(account);
        await changed(stage, account, { max_jetstream_disk_storage: 1000 });
        const { streams } = await jetstream.info('the stream is there again', ({ streams: count }) => count === 1);
        assert.equal(streams, 1);
      });

      // More than a server has, and it gives the account no JetStream at all.
      test('what servers say of the limits is what was asked for', async () => {
        const { jetstream } = await makeAccount(stage, 'said', {
          max_jetstream_disk_storage: 100_000_001, max_jetstream_memory_storage: 50_000_001, max_streams: 3, max_consumers: 2,
          max_ack_pending: 10, max_memory_stream_bytes: 4000, max_disk_stream_bytes: 20_000, max_bytes_required: true,
        });
        const { limits } = await jetstream.must('$JS.API.INFO');
        assert.deepEqual(limits, {
          max_storage: 100_000_001, max_memory: 50_000_001, max_streams: 3, max_consumers: 2, max_ack_pending: 10,
          memory_max_stream_bytes: 4000, storage_max_stream_bytes: 20_000, max_bytes_required: true,
        });
      });

      test('storage on disk, reserved and used', async () => {
        const { account, client, jetstream } = await makeAccount(stage, 'disk', { max_jetstream_disk_storage: 50_000 });
        await jetstream.refusesStream('S', tooLittleMemory, { storage: 'memory' });
        await jetstream.refusesStream('S', tooFewBytes, { max_bytes: 50_001 });
        await jetstream.stream('S');
        const publish = async () => (await client.nc.request('S.x', 'x'.repeat(10_000))).json();
        for (let i = 1; i <= 4; i += 1) assert.equal((await publish()).seq, i);
        assert.match((await publish()).error.description, /resource limits exceeded for account/);
        await changed(stage, account, { max_jetstream_disk_storage: 100_000 });
        assert.equal((await publish()).error, undefined);
      });

      test('storage in memory', async () => {
        const { account, jetstream } = await makeAccount(stage, 'memory', { max_jetstream_memory_storage: 5000 });
        await jetstream.refusesStream('S', tooFewBytes);
        await jetstream.refusesStream('S', tooLittleMemory, { storage: 'memory', max_bytes: 5001 });
        await changed(stage, account, { max_jetstream_memory_storage: -1 });
        await jetstream.stream('S', { storage: 'memory', max_bytes: 5001 });
      });

      test('streams, and consumers of a stream', async (t) => {
        const { account, jetstream } = await makeAccount(stage, 'counts', {
          max_jetstream_disk_storage: -1, max_streams: 2, max_consumers: 1,
        });
        await jetstream.stream('A');
        await jetstream.stream('B');
        await jetstream.refusesStream('C', tooManyStreams);
        await jetstream.consumer('A', 'one', {});
        await jetstream.refusesConsumer('A', 'two', tooManyConsumers, {});
        await changed(stage, account, { max_streams: 3, max_consumers: -1 });
        await jetstream.stream('C');
        await jetstream.consumer('A', 'two', {});
        const cut = ({ limits }) => limits.max_streams === 1;
        await changeUntil(stage, t, account, { max_streams: 1 }, 'max_streams 3 to 1', () => jetstream.info('one stream', cut));
        await jetstream.remove('C');
        await jetstream.refusesStream('C', tooManyStreams);
        assert.equal((await jetstream.must('$JS.API.INFO')).streams, 2); // those that are there stay
      });

      test('unacknowledged messages of a consumer', async () => {
        const { account, jetstream } = await makeAccount(stage, 'pending', { max_jetstream_disk_storage: -1, max_ack_pending: 10 });
        await jetstream.stream('S');
        await jetstream.refusesConsumer('S', 'C', tooManyUnacknowledged(10), { max_ack_pending: 11 });
        assert.equal((await jetstream.consumer('S', 'C', {})).config.max_ack_pending, 10);
        await changed(stage, account, { max_ack_pending: 11 });
        await jetstream.consumer('S', 'D', { max_ack_pending: 11 });
      });

      test('bytes of a stream', async () => {
        const { jetstream } = await makeAccount(stage, 'bytes', {
          max_jetstream_disk_storage: -1, max_jetstream_memory_storage: -1, max_disk_stream_bytes: 2000, max_memory_stream_bytes: 1000,
          max_bytes_required: true,
        });
        await jetstream.refusesStream('D', /requires a stream config to have max bytes set/);
        await jetstream.refusesStream('D', tooLarge, { max_bytes: 2001 });
        await jetstream.stream('D', { max_bytes: 2000 });
        await jetstream.refusesStream('M', tooLarge, { storage: 'memory', max_bytes: 1001 });
        await jetstream.stream('M', { storage: 'memory', max_bytes: 1000 });
      });

      test('tiers in place of them', async () => {
        const { account, jetstream } = await makeAccount(stage, 'tiers', {
          jetstream_tiers: { R1: { disk_storage: 10_000, streams: 2, max_ack_pending: 5 } },
        });
        await jetstream.refusesStream('A', tooLittleMemory, { storage: 'memory' });
        await jetstream.refusesStream('A', tooFewBytes, { max_bytes: 10_001 });
        await jetstream.refusesStream('A', noTier, { num_replicas: 3 });
        await jetstream.stream('A', { max_bytes: 5000 });
        await jetstream.refusesConsumer('A', 'C', tooManyUnacknowledged(5), { max_ack_pending: 6 });
        await jetstream.stream('B', { max_bytes: 5000 });
        await jetstream.refusesStream('C', tooManyStreams);
        await changed(stage, account, { jetstream_tiers: { R1: { disk_storage: 10_000, streams: 3 } } });
        await jetstream.refusesStream('C', tooFewBytes, { max_bytes: 1 });
        await changed(stage, account, { jetstream_tiers: { R1: { disk_storage: -1 } } });
        await jetstream.stream('C', { max_bytes: 1 });
      });

      test('from flat limits to tiers and back', async () => {
        const { account, jetstream } = await makeAccount(stage, 'there and back', { max_jetstream_disk_storage: 10_000 });
        await jetstream.stream('S', { max_bytes: 10_000 });
        await changed(stage, account, { max_jetstream_disk_storage: 0, jetstream_tiers: { R1: { disk_storage: 20_000 } } });
        await jetstream.stream('T', { max_bytes: 10_000 });
        await changed(stage, account, { max_jetstream_disk_storage: 20_001, jetstream_tiers: {} });
        await jetstream.refusesStream('U', tooFewBytes, { max_bytes: 2 });
        await jetstream.stream('U', { max_bytes: 1 });
      });
    });
  });

  onStage(`accounts in a cluster of ${which} servers`, { which, servers: 3, jetstream: true }, (stage, test) => {
    const ready = (jetstream) => jetstream.info('the cluster answers', (answer) => answer.error === undefined);

    test('tiers by the copies of a stream', async () => {
      const { account, jetstream } = await makeAccount(stage, 'tiers', {
        jetstream_tiers: { R1: { disk_storage: 1000 }, R3: { disk_storage: 30_000, streams: 1 } },
      });
      const { tiers } = await ready(jetstream);
      assert.equal(tiers.R1.limits.max_storage, 1000);
      assert.equal(tiers.R3.limits.max_streams, 1);
      await jetstream.refusesStream('ONE', tooFewBytes, { max_bytes: 1001 });
      await jetstream.stream('ONE', { max_bytes: 1000 });
      await jetstream.refusesStream('THREE', tooFewBytes, { num_replicas: 3, max_bytes: 30_001 });
      await jetstream.stream('THREE', { num_replicas: 3, max_bytes: 10_000 });
      await jetstream.refusesStream('MORE', tooManyStreams, { num_replicas: 3, max_bytes: 1 });
      await changed(stage, account, { jetstream_tiers: { R3: { disk_storage: 30_000 } } });
      await jetstream.refusesStream('TWO', noTier, { max_bytes: 1 });
    });

    test('mappings of the cluster that a server is in', async () => {
      const { client } = await makeAccount(stage, 'mapped', {
        mappings: { in: [{ subject: 'here', cluster: 'c' }, { subject: 'there', cluster: 'd' }, { subject: 'elsewhere' }] },
      });
      const heard = [];
      client.nc.subscribe('>', { callback: (_, message) => heard.push(message.subject) });
      for (let i = 0; i < 50; i += 1) client.nc.publish('in');
      await client.nc.flush();
      assert.deepEqual(heard, Array.from({ length: 50 }, () => 'here'));
    });

    if (which === 'oldest') return; // the rest is of servers from 2.11 on

    test('whose account carries what streams say to each other', async () => {
      const { account, jetstream } = await makeAccount(stage, 'traffic', { max_jetstream_disk_storage: -1, cluster_traffic: 'owner' });
      await ready(jetstream);
      const own = await jetstream.stream('OWN', { num_replicas: 3 });
      assert.equal(own.cluster.traffic_account, account.public_key);
      await changed(stage, account, { cluster_traffic: 'system' });
      const system = await jetstream.stream('SYSTEM', { num_replicas: 3 });
      assert.equal(system.cluster.system_account, true);
    });
  });
}

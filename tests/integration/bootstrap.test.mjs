// natsid serves without a server, and with one that is not its own; it connects as soon as its own is there.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { NatsServer } from './lib/nats.mjs';
import { initDataDir, must } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

onStage('bootstrap', { serversLater: true }, (stage, test) => {
  let account, role, user;

  async function readiness() {
    const { status, body } = await stage.daemon.api('GET', '/readyz', undefined, { token: null });
    assert.equal(status, 200);
    assert.equal(body.status, 'ready');
    return body.nats;
  }

  /** Runs another server on the port that natsid looks at; gives what /readyz says once it says why. */
  async function withServer(configuration, reason) {
    const { port, directory } = stage.servers[0];
    const server = new NatsServer({ which: 'newest', name: 'foreign', port, directory, configuration });
    await server.start();
    const nats = await until('a reason', async () => {
      const said = await readiness();
      if (!reason.test(said.error)) throw new Error(JSON.stringify(said));
      return said;
    });
    await stage.change(account, { description: `written beside a server that is not ours: ${nats.error}` });
    await server.stop();
    return nats;
  }

  test('without a server natsid is ready, says that NATS is not there, and takes changes', async () => {
    const nats = await until('a reason', async () => {
      const said = await readiness();
      return said.error !== '' && said;
    });
    assert.equal(nats.connected, false);
    assert.equal(nats.servers, 0);
    assert.equal(nats.url, stage.urls[0]);
    account = await stage.createAccount('acme');
    role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    user = await stage.createUser('sensor-1', account, role);
    assert.match(user.creds_file, /BEGIN NATS USER JWT/);
    assert.equal((await stage.read(account)).publish_status, 'pending');
  });

  test('a server without an operator is not taken for one of ours', async (t) => {
    const nats = await withServer(`port: ${stage.servers[0].port}\n`, /operator mode/);
    t.diagnostic(`reason: ${nats.error}`);
    assert.equal(nats.connected, false);
    assert.equal(nats.servers, 0);
    assert.notEqual((await stage.read(account)).publish_status, 'proven');
  });

  test("another operator's server is not taken for one of ours", async (t) => {
    const data = join(stage.directory, 'foreign');
    await initDataDir(data);
    const { stdout } = await must(['export', 'nats-conf', '--data', data, '--port', `${stage.servers[0].port}`]);
    const nats = await withServer(stdout, /authori/i);
    t.diagnostic(`reason: ${nats.error}`);
    assert.equal(nats.connected, false);
    assert.equal(nats.servers, 0);
    assert.notEqual((await stage.read(account)).publish_status, 'proven');
  });

  test('when its own server appears, all is pushed and proven', async () => {
    await stage.servers[0].start();
    await stage.proven(account, { deadline: 15_000 });
    const nats = await readiness();
    assert.equal(nats.connected, true);
    assert.equal(nats.error, '');
    assert.equal(nats.servers, 1);
    assert.equal(nats.server, 's1');
    const client = await stage.connect(user.creds_file);
    await client.reaches(client, 'data.first');
  });
});

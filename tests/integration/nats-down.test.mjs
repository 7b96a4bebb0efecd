// No caller waits for NATS: with the server stopped or hanging every write is answered, and all of it arrives later.
import assert from 'node:assert/strict';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

onStage('while NATS is down', {}, (stage, test) => {
  // Who waits for a server that hangs waits longer: natsid gives it up after some 13 seconds.
  const [deadline, writes] = [10_000, 20];
  let round = 0;
  let account, role, users;

  /** Twenty changes of every kind, one after the other; gives the milliseconds of the slowest. */
  async function write() {
    round += 1;
    let slowest = 0;
    const ask = async (method, collection, id, body) => {
      const path = `/api/collections/${collection}/records${id ? `/${id}` : ''}`;
      const start = performance.now();
      const record = await stage.api(method, path, body, { deadline });
      slowest = Math.max(slowest, performance.now() - start);
      return record;
    };
    for (let i = 0; i < writes / 5; i += 1) {
      const name = `${round}-${i}`;
      const made = await ask('POST', 'nats_accounts', null, { name });
      const user = { nats_username: name, account_id: i % 2 ? made.id : account.id, role_id: role.id };
      users.push(await ask('POST', 'nats_users', null, user));
      await ask('PATCH', 'nats_roles', role.id, { publish_permissions: [`data.${name}`] });
      await ask('PATCH', 'nats_users', users[0].id, { active: i % 2 === 1 });
      await ask('PATCH', 'nats_accounts', made.id, { max_connections: 10 + i });
    }
    return `the slowest of ${writes} writes took ${Math.round(slowest)} ms`;
  }

  const reads = () => stage.api('GET', '/api/collections/nats_users/records', undefined, { deadline });
  const pending = async () => (await stage.accounts()).filter((one) => one.publish_status !== 'proven').length;

  async function allArrives() {
    await stage.converged();
    const name = `${round}-${writes / 5 - 1}`;
    for (const user of users.slice(-2)) {
      const client = await stage.connect(await stage.creds(user));
      await client.isRefusedToPublish('data.old');
      client.nc.publish(`data.${name}`);
      await client.nc.flush();
      assert.equal(client.count('error'), 1);
    }
  }

  /** A change says what is in its way: its answer, the account and its state. */
  async function assertTold() {
    const { headers, body } = await stage.daemon.api('PATCH', `/api/collections/nats_accounts/records/${account.id}`, { description: 'told' }, { headers: { Prefer: 'wait=1' } });
    assert.match(headers.get('natsid-unproven'), /(^|, )natsid: not connected to NATS$/);
    assert.equal(body.publish_message, 'not connected to NATS');
    assert.equal((await stage.api('GET', `/api/v1/accounts/${account.id}/state`)).message, 'not connected to NATS');
  }

  test('there is an account, all of it proven', async () => {
    account = await stage.createAccount('acme');
    role = await stage.createRole('sensor', ['data.>'], []);
    users = [await stage.createUser('first', account, role)];
    await stage.converged();
  });

  test('stopped: every write is answered, and all is proven when it is back', async (t) => {
    await stage.servers[0].stop();
    t.diagnostic(await write());
    await until('natsid says that it is not connected', async () => !(await stage.nats()).connected);
    assert.ok((await pending()) > 4);
    await reads();
    await assertTold();
    await stage.servers[0].start();
    await allArrives();
  });

  test('killed in the middle of the writes: the same', async (t) => {
    const writing = write();
    await stage.servers[0].stop('SIGKILL');
    t.diagnostic(await writing);
    await stage.servers[0].start();
    await allArrives();
  });

  test('hanging for a moment: the same', async (t) => {
    stage.servers[0].pause();
    t.diagnostic(await write());
    assert.ok((await pending()) > 4);
    await reads();
    stage.servers[0].resume();
    await allArrives();
  });

  test('hanging until natsid gives it up: the same', async (t) => {
    stage.servers[0].pause();
    t.diagnostic(await write());
    const start = performance.now();
    const said = await until('natsid says that it is not connected', async () => {
      const nats = await stage.nats();
      return !nats.connected && nats;
    }, { deadline: 30_000 });
    t.diagnostic(`given up ${Math.round(performance.now() - start)} ms after the writes: ${said.error}`);
    t.diagnostic(await write());
    stage.servers[0].resume();
    await allArrives();
  });
});

// "Prefer: wait=N": a write is answered when the servers hold it, and says which do not.
import assert from 'node:assert/strict';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const records = (collection, id = '') => `/api/collections/${collection}/records${id && `/${id}`}`;

/** {status, body, applied, unproven, ms} of a request that prefers to wait. */
async function waiting(stage, prefer, method, path, body) {
  const since = performance.now();
  const { status, body: json, text, headers } = await stage.daemon.api(method, path, body, {
    headers: { Prefer: prefer }, deadline: 70_000,
  });
  assert.ok([200, 204].includes(status), text);
  const ms = Math.round(performance.now() - since);
  return { status, body: json, applied: headers.get('preference-applied'), unproven: headers.get('natsid-unproven'), ms };
}

for (const servers of [1, 3]) {
  onStage(`waiting for ${servers} server${servers > 1 ? 's' : ''}`, { servers }, (stage, test) => {
    let account, role, user;

    /** The answer came when all servers held it: at this moment their directories do, and the API says proven. */
    async function assertHeld({ applied, unproven, ms }) {
      assert.equal(applied, 'wait=20');
      assert.ok(ms < 15_000, `${ms} ms`); // a proof woke it, not the end of its time
      assert.equal(unproven, null);
      const now = await stage.read(account);
      assert.equal(now.publish_status, 'proven', now.publish_message);
      assert.equal(now.published_generation, now.generation);
      for (const server of stage.servers) assert.equal(await server.stored(account.public_key), now.jwt, server.name);
    }

    test('a new account is on all servers with the answer, which says so', async (t) => {
      await until('natsid sees all servers', async () => (await stage.nats()).servers === servers, { deadline: 30_000 });
      const made = await waiting(stage, 'wait=20', 'POST', records('nats_accounts'), { name: 'acme' });
      account = made.body;
      assert.equal(account.publish_status, 'proven');
      assert.equal(account.published_generation, 1);
      await assertHeld(made);
      t.diagnostic(`after ${made.ms} ms`);
    });

    test('so are changes and deletions of what goes into it', async (t) => {
      role = (await waiting(stage, 'wait=20', 'POST', records('nats_roles'), {
        name: 'sensor', publish_permissions: ['a.>'], subscribe_permissions: ['b.>'],
      })).body;
      const made = await waiting(stage, 'wait=20', 'POST', records('nats_users'), {
        nats_username: 'u', account_id: account.id, role_id: role.id,
      });
      user = made.body;
      await assertHeld(made);
      assert.match(user.creds_file, /BEGIN NATS USER JWT/);
      await stage.connect(user.creds_file); // no waiting for the servers to let it in
      const steps = [
        ['PATCH', records('nats_accounts', account.id), { max_connections: 10 }],
        ['PATCH', records('nats_roles', role.id), { publish_permissions: ['a.only'] }],
        ['PATCH', records('nats_roles', role.id), { publish_permissions: ['a.>', 'c.>'] }],
        ['DELETE', records('nats_users', user.id)],
      ];
      for (const step of steps) {
        const before = (await stage.read(account)).generation;
        const done = await waiting(stage, 'wait=20', ...step);
        assert.ok((await stage.read(account)).generation > before, step[1]);
        await assertHeld(done);
        t.diagnostic(`${step[0]} ${step[1].split('/')[3]}: ${done.ms} ms`);
      }
    });

    test('so are verbs', async () => {
      const fields = { name: 'out', subject: 'out.>', type: 'stream', account_id: account.id, token_req: true };
      const made = await waiting(stage, 'wait=20', 'POST', records('nats_account_exports'), fields);
      await assertHeld(made);
      const revoked = await waiting(stage, 'wait=20', 'POST', `/api/v1/exports/${made.body.id}/revoke`, { account: '*' });
      assert.equal(revoked.status, 204);
      await assertHeld(revoked);
    });

    test('what changes nothing is answered at once', async () => {
      const same = await waiting(stage, 'wait=60', 'PATCH', records('nats_accounts', account.id), { max_connections: 10 });
      assert.equal(same.applied, 'wait=60');
      assert.equal(same.unproven, null);
      assert.ok(same.ms < 5000, `${same.ms} ms`);
      const dry = await waiting(stage, 'wait=60', 'PATCH', `${records('nats_accounts', account.id)}?dry_run=1`, { max_connections: 11 });
      assert.equal(dry.applied, null);
      const read = await waiting(stage, 'wait=60', 'GET', records('nats_accounts', account.id));
      assert.equal(read.applied, null);
    });

    test('a longer wait than there is becomes the longest', async () => {
      const done = await waiting(stage, 'wait=600', 'PATCH', records('nats_accounts', account.id), { max_connections: 15 });
      assert.equal(done.applied, 'wait=60');
      assert.equal(done.unproven, null);
    });

    test('a preference that is not understood is passed over', async () => {
      for (const prefer of ['wait=0', 'wait=1.5', 'wait=soon', 'respond-async', 'wait="5']) {
        const done = await waiting(stage, prefer, 'PATCH', records('nats_accounts', account.id), { description: prefer });
        assert.equal(done.applied, null, prefer);
        assert.equal(done.unproven, null, prefer);
      }
    });

    test('a server that stands still is named', async (t) => {
      await stage.proven(account);
      const last = stage.servers.at(-1);
      last.pause();
      try {
        const done = await waiting(stage, 'wait=6', 'PATCH', records('nats_accounts', account.id), { max_connections: 20 + servers });
        assert.equal(done.applied, 'wait=6');
        assert.notEqual(done.body.publish_status, 'proven');
        assert.match(done.unproven ?? '', servers > 1 ? /s3: / : /(s1|natsid): /);
        assert.doesNotMatch(done.unproven, /s2: /);
        t.diagnostic(`${done.ms} ms: ${done.unproven}`);
      } finally {
        last.resume();
      }
      await stage.proven(account, { deadline: 30_000 });
    });
  });
}

onStage('waiting while NATS is away', { servers: 1 }, (stage, test) => {
  let account;

  test('the answer comes after the time that was asked for', async (t) => {
    account = await stage.createAccount('acme');
    await stage.proven(account);
    await stage.servers[0].stop();
    const done = await waiting(stage, 'wait=2', 'PATCH', records('nats_accounts', account.id), { max_connections: 5 });
    assert.equal(done.body.max_connections, 5);
    assert.equal(done.applied, 'wait=2');
    assert.ok(done.unproven);
    assert.ok(done.ms >= 2000 && done.ms < 15_000, `${done.ms} ms`);
    t.diagnostic(`${done.ms} ms: ${done.unproven}`);
  });

  test('who waits leaves threads to the others, and hears when the server is back', async (t) => {
    // An account each: of too many changes of one, some are told that others keep changing it.
    const accounts = await Promise.all(Array.from({ length: 45 }, (_, i) => stage.createAccount(`acme-${i}`)));
    const since = performance.now();
    const calls = accounts.map(({ id }) => waiting(stage, 'wait=60', 'PATCH', records('nats_accounts', id), { description: 'changed' }));
    // those beyond the bound do not wait
    await Promise.any(calls.map(async (call) => assert.equal((await call).applied, null)));
    const health = performance.now();
    assert.equal((await stage.daemon.api('GET', '/healthz')).status, 200);
    assert.equal((await stage.daemon.api('GET', records('nats_accounts'))).status, 200);
    t.diagnostic(`two reads beside them: ${Math.round(performance.now() - health)} ms`);
    await stage.servers[0].start();
    const done = await Promise.all(calls);
    const waited = done.filter(({ applied }) => applied !== null);
    assert.ok(waited.length <= 32, `${waited.length} waited`);
    assert.ok(waited.length > 16, `${waited.length} waited`);
    for (const { unproven } of waited) assert.equal(unproven, null);
    assert.ok(performance.now() - since < 45_000);
    t.diagnostic(`${waited.length} waited`);
  });

  test('the end of natsid is not held up', async () => {
    await stage.proven(account);
    await stage.servers[0].stop();
    const call = waiting(stage, 'wait=60', 'PATCH', records('nats_accounts', account.id), { max_connections: 6 });
    await until('it is written', async () => (await stage.read(account)).max_connections === 6);
    const since = performance.now();
    await stage.stopDaemon();
    assert.ok(performance.now() - since < 10_000);
    assert.match((await call).unproven, /being stopped/);
  });
});

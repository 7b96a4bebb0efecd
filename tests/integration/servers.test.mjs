// The servers that natsid knows: over the API, on the command line, and forgotten.
import assert from 'node:assert/strict';
import { natsid, must, startNatsid } from './lib/natsid.mjs';
import { scratch, initialised } from './lib/command.mjs';
import { serverVersion } from './lib/nats.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';
import { test as plainTest } from 'node:test';

onStage('servers', { servers: 3 }, (stage, test) => {
  const servers = () => stage.api('GET', '/api/v1/servers');
  const byName = async (name) => (await servers()).items.find((server) => server.name === name);
  const list = async () => (await must(['servers', 'list', '--data', stage.data])).stdout;
  const forget = (name) => natsid(['servers', 'forget', name, '--data', stage.data]);

  test('all are told, as they are', async () => {
    await stage.proven(await stage.createAccount('first')); // how a server keeps JWTs is told by its answer to one
    const items = await until('all are there and were looked at', async () => {
      const found = (await servers()).items;
      if (found.length === 3 && found.every(({ checked, trusted }) => checked && trusted)) return found;
      throw new Error(JSON.stringify(found));
    }, { deadline: 30_000 });
    assert.deepEqual(items.map(({ cluster, name }) => `${cluster}/${name}`), ['c/s1', 'c/s2', 'c/s3']);
    for (const server of items) {
      assert.equal(server.state, 'present');
      assert.match(server.id, /^N[A-Z2-7]{55}$/);
      assert.equal(server.incarnation, 1);
      assert.equal(server.version, /v(\d\S*)/.exec(serverVersion('newest'))[1]);
      assert.equal(server.resolver, 'full');
      assert.equal(server.missing_since, '');
      assert.equal(server.foreign, 0);
    }
    const table = await list();
    assert.match(table, /^CLUSTER +NAME +STATE/);
    for (const name of ['s1', 's2', 's3']) assert.match(table, new RegExp(`^c +${name} +present .* yes +yes +0$`, 'm'));
    assert.doesNotMatch(table, /No server was heard/);
  });

  test('a server that answers is not forgotten', async () => {
    for (const name of ['s2', 'c/s2']) {
      const { code, stderr } = await forget(name);
      assert.equal(code, 1);
      assert.match(stderr, /"s2" answers/);
    }
    const { code, stderr } = await forget('nobody');
    assert.equal(code, 1);
    assert.match(stderr, /no server "nobody"/);
    assert.equal((await natsid(['servers', 'forget', '--data', stage.data])).code, 2);
  });

  test('one that is away is missing; forgotten, nothing waits for it', async () => {
    const account = await stage.createAccount('acme');
    await stage.proven(account);
    const { id } = await byName('s3');
    await stage.servers[2].stop();
    await until('it is missing', async () => (await byName('s3')).state === 'missing', { deadline: 20_000 });
    assert.match(await list(), /^c +s3 +missing /m);
    const { servers: there, known_servers: known, missing_servers: missing } = await stage.nats();
    assert.deepEqual([there, known, missing], [2, 3, 1]);
    assert.equal(stage.daemon.log().match(/nats server does not answer name=s3 cluster=c$/gm).length, 1);
    await stage.change(account, { max_connections: 3 });
    await until('all others hold it', async () => (await stage.read(account)).publish_status === 'partial', { deadline: 20_000 });
    const { code, stderr } = await forget('s3');
    assert.equal(code, 0, stderr);
    assert.equal(await byName('s3'), undefined);
    await stage.proven(account);

    await stage.servers[2].start();
    const again = await until('it is known anew', () => byName('s3'), { deadline: 20_000 });
    assert.notEqual(again.id, id);
    await stage.proven(account, { deadline: 30_000 });
    assert.equal(await stage.servers[2].stored(account.public_key), (await stage.read(account)).jwt);
  });

  test('a restart is a new incarnation', async () => {
    const before = await byName('s2');
    await stage.servers[1].stop();
    await until('it is missing', async () => (await byName('s2')).state === 'missing', { deadline: 20_000 });
    await stage.servers[1].start();
    const after = await until('it is back', async () => {
      const now = await byName('s2');
      return now.state === 'present' && now.id !== before.id && now;
    }, { deadline: 20_000 });
    await until('the log says so', () => /nats server is back name=s2 cluster=c$/m.test(stage.daemon.log()));
    assert.equal(after.incarnation, before.incarnation + 1);
    assert.equal(after.first_seen, before.first_seen);
    assert.ok(after.since > before.since);
  });

  test('what a server lost is drift, and is repaired', async () => {
    const account = await stage.createAccount('lost');
    await stage.proven(account, { deadline: 20_000 });
    await stage.servers[2].stop();
    await stage.servers[2].wipe();
    await stage.servers[2].start();
    const drift = async () => (await stage.api('GET', '/api/v1/drift?limit=1000')).items.find((row) => row.account === account.public_key);
    const row = await until('it is repaired', async () => {
      const found = await drift();
      return found?.repaired_at && found;
    }, { deadline: 30_000 });
    assert.equal(row.kind, 'missing');
    await until('it holds it again', async () =>
      (await stage.servers[2].stored(account.public_key)) === (await stage.read(account)).jwt, { deadline: 20_000 });
    for (const query of ['limit=0', 'server=s1', 'limt=3', 'limit=3&kind=older']) {
      assert.equal((await stage.daemon.api('GET', `/api/v1/drift?${query}`)).status, 400, query);
    }
  });

  test('all is looked at again when somebody asks for it', async (t) => {
    const asked = new Date().toISOString().replace('T', ' ');
    const since = performance.now();
    const { status, body } = await stage.daemon.api('POST', '/api/v1/reconcile', {});
    assert.equal(status, 202);
    assert.equal(body.accounts, (await stage.accounts()).length);
    const { sweep, blocked } = await until('the sweep is finished', async () => {
      const now = await servers();
      return !now.sweep.running && now.sweep.started >= asked && now.sweep.finished >= asked && now;
    }, { deadline: 30_000 });
    assert.equal(blocked, '');
    for (const terms of [{ a: 1 }, 'nope', []]) {
      assert.equal((await stage.daemon.api('POST', '/api/v1/reconcile', terms)).status, 400, JSON.stringify(terms));
    }
    assert.ok(sweep.looked >= body.accounts, JSON.stringify(sweep));
    t.diagnostic(`${body.accounts} accounts in ${Math.round(performance.now() - since)} ms`);
  });

  test('only superusers may ask', async () => {
    for (const [method, path] of [['GET', '/api/v1/servers'], ['GET', '/api/v1/drift'], ['POST', '/api/v1/reconcile']]) {
      assert.equal((await stage.daemon.api(method, path, method === 'POST' ? {} : undefined, { token: null })).status, 401, path);
    }
  });

  test('while no server is connected the list is what was last seen', async () => {
    await Promise.all(stage.servers.map((server) => server.stop('SIGKILL')));
    await until('natsid says so', async () => /^natsid is not connected to NATS since 2\S+ \S+\. This is what it saw/m.test(await list()), { deadline: 30_000 });
    assert.match(await list(), /^c +s1 +present /m);
    const { code, stdout } = await forget('s3'); // nobody hears whether it answers
    assert.equal(code, 0);
    assert.match(stdout, /meets it again/);
    assert.doesNotMatch(await list(), /^c +s3 /m);
  });

  test('without natsid serve it is, too', async () => {
    await stage.stopDaemon();
    const table = await list();
    assert.match(table, /^c +s1 +present /m);
    assert.match(table, /^natsid is not running\. This is what it saw last, at 2\S+ /m);
    const { code } = await forget('s1');
    assert.equal(code, 0);
  });
});

plainTest('no server is known yet', async (t) => {
  const data = await initialised(await scratch(t));
  const { stdout } = await must(['servers', 'list', '--data', data]);
  assert.equal(stdout, 'No server is known yet: natsid serve meets them.\n\nnatsid is not running.\n');
  const daemon = await startNatsid();
  t.after(() => daemon.stop());
  await until('it is said why', async () => {
    const { stdout: running } = await must(['servers', 'list', '--data', daemon.dataDir]);
    return /^No server is known yet: .*\n\nnatsid is not connected to NATS since 20\S+ \S+\.\n$/.test(running);
  });
});

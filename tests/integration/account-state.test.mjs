// GET /api/v1/accounts/ID/state: what each server is known to hold of an account.
import assert from 'node:assert/strict';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const dates = /^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/;

onStage('the state of an account', { servers: 3 }, (stage, test) => {
  let account;
  const path = (id = account.id) => `/api/v1/accounts/${id}/state`;
  const state = () => stage.api('GET', path());
  const names = (servers) => servers.map(({ name }) => name);

  test('proven: every server holds what is wanted, since then', async () => {
    await until('natsid sees three servers', async () => (await stage.nats()).servers === 3, { deadline: 30_000 });
    account = await stage.createAccount('acme');
    const { generation } = await stage.proven(account);
    const found = await state();
    assert.equal(found.account, account.id);
    assert.equal(found.public_key, account.public_key);
    assert.equal(found.publish_status, 'proven');
    assert.equal(found.message, '');
    assert.equal(found.quarantine, undefined);
    for (const member of ['wanted', 'minted', 'proven']) assert.equal(found[member], generation, member);
    assert.deepEqual(names(found.servers), ['s1', 's2', 's3']);
    for (const server of found.servers) {
      const { cluster, state: word, wanted, proven, current, since, words, tried_at: triedAt } = server;
      assert.deepEqual({ cluster, word, wanted, proven, current, words, triedAt },
        { cluster: 'c', word: 'present', wanted: generation, proven: generation, current: true, words: '', triedAt: '' });
      assert.match(since, dates);
      assert.ok(since >= account.created, since);
    }
  });

  test('a server that is away holds what it held; back, it is looked at anew', async () => {
    const before = await state();
    await stage.servers[2].stop();
    await until('it is missing', async () => (await state()).servers[2].state === 'missing', { deadline: 20_000 });
    await stage.change(account, { max_connections: 7 });
    const found = await until('the others hold the newest', async () => {
      const now = await state();
      return now.proven === now.wanted && now.wanted > before.wanted && now;
    }, { deadline: 20_000 });
    assert.equal(found.publish_status, 'partial');
    assert.match(found.message, /s3 does not answer/);
    assert.deepEqual(found.servers.map(({ proven }) => proven), [found.wanted, found.wanted, before.wanted]);
    await stage.servers[2].start();
    await stage.proven(account, { deadline: 30_000 });
    const after = await until('all are present', async () => {
      const now = await state();
      return now.servers.every(({ state: word }) => word === 'present') && now;
    });
    assert.deepEqual(after.servers.map(({ proven, current }) => proven === after.wanted && current), [true, true, true]);
  });

  test('only superusers may ask, and of accounts that are there', async () => {
    assert.equal((await stage.daemon.api('GET', path(), undefined, { token: null })).status, 401);
    assert.equal((await stage.daemon.api('GET', path('aaaaaaaaaaaaaaa'))).status, 404);
    await stage.remove(account);
    const { status, body } = await stage.daemon.api('GET', path());
    assert.equal(status, 404);
    assert.equal(body.code, 'not_found');
  });
});

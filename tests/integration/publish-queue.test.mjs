// nats_publish_queue: what is not proven yet, to whoever reads it as pb-nats's.
import assert from 'node:assert/strict';
import PocketBase from 'pocketbase';
import { superuser } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

onStage('the publish queue', { servers: 3 }, (stage, test) => {
  let queue;

  async function login() {
    const client = new PocketBase(stage.daemon.url);
    await client.collection('_superusers').authWithPassword(superuser.email, superuser.password);
    queue = client.collection('nats_publish_queue');
  }

  const isEmpty = () => until('the queue is empty', async () => (await queue.getFullList()).length === 0, { deadline: 30_000 });

  test('it is empty when all servers hold everything', async () => {
    await login();
    await stage.createAccount('first');
    await isEmpty();
    assert.equal((await queue.getList(1, 30)).totalItems, 0);
  });

  test('what one server lacks is in it, and says which', async () => {
    const account = await stage.createAccount('acme');
    const { generation } = await stage.proven(account);
    await isEmpty();
    await stage.servers[2].stop();
    await stage.change(account, { max_connections: 3 });
    const item = await until('the others hold it', async () => {
      const found = await queue.getOne(account.id);
      return found.proven_generation === found.generation && found.generation > generation && found;
    }, { deadline: 20_000 });
    assert.equal(item.account_id, account.id);
    assert.equal(item.account_public_key, account.public_key);
    assert.equal(item.account_name, 'acme');
    assert.equal(item.action, 'upsert');
    assert.equal(item.publish_status, 'partial');
    assert.match(item.message, /s3 does not answer/);
    assert.equal(item.collectionName, 'nats_publish_queue');
    assert.deepEqual(item.servers.map(({ cluster, name, state, proven }) => ({ cluster, name, state, proven })),
      [{ cluster: 'c', name: 's3', state: 'missing', proven: generation }]);
    await stage.servers[2].start();
    await isEmpty();
    await assert.rejects(queue.getOne(account.id), ({ status, message }) => status === 404 && /publish queue entry/.test(message));
  });

  test('so is the tombstone of a deleted account', async () => {
    const account = await stage.createAccount('gone');
    await stage.proven(account);
    await stage.servers[1].stop();
    await stage.remove(account);
    const item = await queue.getOne(account.id);
    assert.equal(item.action, 'delete');
    assert.equal(item.account_name, 'gone');
    await stage.servers[1].start();
    await isEmpty();
  });

  test('nobody writes it', async () => {
    const account = await stage.createAccount('kept');
    const refused = ({ status, message }) => status === 403 && /cannot be written: change the account/.test(message);
    await assert.rejects(queue.create({ account_id: account.id, action: 'delete' }), ({ status, response }) =>
      refused({ status, message: response.message }));
    for (const method of ['PATCH', 'DELETE']) {
      const { status, body } = await stage.daemon.api(method, `/api/collections/nats_publish_queue/records/${account.id}`,
        method === 'PATCH' ? { attempts: 0 } : undefined);
      assert.ok(refused({ status, message: body.message }), method);
    }
    assert.equal((await stage.read(account)).name, 'kept');
  });

  test('guests do not read it', async () => {
    const path = '/api/collections/nats_publish_queue/records';
    assert.equal((await stage.daemon.api('GET', path, undefined, { token: null })).status, 403);
  });

  test('sorted and paged as every collection', async () => {
    await Promise.all(stage.servers.map((server) => server.stop()));
    for (const name of ['b', 'c', 'a']) await stage.createAccount(name);
    const page = await queue.getList(1, 2, { sort: '-account_name', fields: 'account_name,generation' });
    assert.ok(page.totalItems >= 3);
    const all = await queue.getFullList({ sort: 'account_name' });
    const names = all.map((item) => item.account_name);
    assert.deepEqual(names, [...names].sort());
    assert.deepEqual(page.items.map((item) => item.account_name), names.slice(-2).reverse());
    await Promise.all(stage.servers.map((server) => server.start()));
    await isEmpty();
  });
});

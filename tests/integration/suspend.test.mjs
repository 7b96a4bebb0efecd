// Suspending and resuming users and accounts: clients are out at once, and the same creds work again.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`suspending on the ${which} server`, { which }, (stage, test) => {
    let account, role, users, creds, clients;

    const setActive = async (record, active) => {
      await stage.change(record, { active });
      return stage.proven(account);
    };

    const milliseconds = (event, since) => `${Math.round(event.at - since)} ms`;

    test('two users of an account are connected', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      users = [await stage.createUser('one', account, role), await stage.createUser('two', account, role)];
      creds = users.map((user) => user.creds_file);
      await stage.proven(account);
      clients = await Promise.all(creds.map((one) => stage.connect(one)));
    });

    test('a suspended user is cut off and its creds are refused', async (t) => {
      const since = performance.now();
      await stage.change(users[0], { active: false });
      const cut = await clients[0].event('disconnect', { since });
      t.diagnostic(`cut after ${milliseconds(cut, since)}`);
      await stage.proven(account);
      await stage.assertRefused(creds[0]);
      // The client gives up by itself after the second refusal.
      await clients[0].event('close', { deadline: 30_000 });
      await clients[1].reaches(clients[1], 'data.x');
      assert.equal(clients[1].count('disconnect'), 0);
    });

    test('its creds cannot be downloaded meanwhile', async () => {
      const { status, body } = await stage.daemon.api('GET', `/api/v1/users/${users[0].id}/creds`);
      assert.equal(status, 409);
      assert.match(body.detail, /suspended/);
    });

    test('an activated user works again with the same creds', async () => {
      await setActive(users[0], true);
      const client = await stage.connect(creds[0]);
      await client.reaches(clients[1], 'data.y');
      assert.equal(await stage.creds(users[0]), creds[0]);
      assert.equal(clients[1].count('disconnect'), 0);
      clients[0] = client;
    });

    test('suspending and activating at once lets nobody stay out', async () => {
      for (let i = 0; i < 3; i += 1) {
        await stage.change(users[0], { active: false });
        await stage.change(users[0], { active: true });
      }
      await stage.proven(account);
      clients[0] = await stage.connect(creds[0]);
      await clients[0].reaches(clients[1], 'data.z');
    });

    test('a user that never got creds is suspended without a push', async () => {
      const { generation } = await stage.proven(account);
      const fields = { nats_username: 'never', account_id: account.id, role_id: role.id };
      const never = await stage.api('POST', '/api/collections/nats_users/records?fields=id,collectionName', fields);
      await stage.change(never, { active: false });
      assert.equal((await stage.read(account)).generation, generation);
      const { creds_file: late } = await stage.api('PATCH', `/api/collections/nats_users/records/${never.id}`, {
        active: true,
      });
      assert.equal(late, '');
      await stage.connect(await stage.creds(never));
    });

    test('all clients of a suspended account are out, and none gets in', async (t) => {
      const since = performance.now();
      await stage.change(account, { active: false });
      const cuts = await Promise.all(clients.map((client) => client.event('disconnect', { since })));
      t.diagnostic(`cut after ${cuts.map((cut) => milliseconds(cut, since)).join(' and ')}`);
      await stage.proven(account);
      for (const one of creds) await stage.assertRefused(one);
    });

    test('changes made while it is suspended let nobody in', async () => {
      await stage.change(role, { publish_permissions: ['data.>', 'more.>'] });
      await stage.change(users[1], { description: 'still out' });
      await stage.change(account, { max_connections: 10 });
      await stage.proven(account);
      for (const one of creds) await stage.assertRefused(one);
    });

    test('a resumed account takes the same creds, with what changed meanwhile', async () => {
      await setActive(account, true);
      const [one, two] = await Promise.all(creds.map((text) => stage.connect(text)));
      await one.reaches(one, 'data.again');
      two.nc.publish('more.things');
      await two.isRefusedToPublish('other');
      assert.equal(two.events.filter(({ type }) => type === 'error').length, 1);
    });

    test('a user that was suspended before its account stays out when the account is resumed', async () => {
      await setActive(users[0], false);
      await setActive(account, false);
      await setActive(account, true);
      await stage.assertRefused(creds[0]);
      await stage.connect(creds[1]);
      await setActive(users[0], true);
      await stage.connect(creds[0]);
    });
  });
}

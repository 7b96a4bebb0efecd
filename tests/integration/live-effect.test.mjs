// A role that changes while its clients are connected: they lose and gain subjects without new creds.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`live effect on the ${which} server`, { which }, (stage, test) => {
    let account, role, client, creds, bystander;

    /** Changes the role; prints how long clients were kept waiting, measured from the answer to the change. */
    async function changeRole(t, fields) {
      await stage.change(role, fields);
      const { cut, back } = await client.cutAndBack(performance.now());
      t.diagnostic(`cut after ${cut} ms, back after ${back} ms`);
      await stage.proven(account);
    }

    test('a client is connected', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>', '_INBOX.>']);
      const user = await stage.createUser('sensor-1', account, role);
      const other = await stage.createRole('other', ['data.>'], ['data.>']);
      const neighbour = await stage.createUser('neighbour', account, other);
      await stage.proven(account);
      creds = await stage.creds(user);
      client = await stage.connect(creds);
      bystander = await stage.connect(neighbour.creds_file);
      await client.reaches(client, 'data.secret');
    });

    test('narrowing its role takes the subject away and lets it back in by itself', async (t) => {
      let received = 0;
      client.nc.subscribe('data.secret', { callback: (error) => { received += error ? 0 : 1; } });
      await client.nc.flush();
      await changeRole(t, { publish_permissions: ['data.public'], subscribe_permissions: ['data.public'] });
      await client.isRefusedToPublish('data.secret');
      await client.isRefusedToSubscribe('data.secret');
      await bystander.reaches(client, 'data.public');
      // The subscription from before the change is gone too, although the client asked for it again.
      bystander.nc.publish('data.secret', 'for others');
      await bystander.reaches(client, 'data.public');
      assert.equal(received, 0);
    });

    test('the same creds, used anew, have the new permissions', async () => {
      const again = await stage.connect(creds);
      await again.isRefusedToPublish('data.secret');
      await again.reaches(client, 'data.public');
    });

    test('widening it gives the subject back', async (t) => {
      await changeRole(t, { publish_permissions: ['data.>', 'extra.*'], subscribe_permissions: ['data.>', 'extra.*'] });
      await client.reaches(client, 'extra.one');
      await client.reaches(bystander, 'data.secret');
    });

    test('a deny takes away what the allow list gives', async (t) => {
      await changeRole(t, { publish_deny_permissions: ['data.secret'] });
      await client.isRefusedToPublish('data.secret');
      await client.reaches(bystander, 'data.public');
    });

    test('removing all its subjects takes everything away', async (t) => {
      await changeRole(t, { publish_permissions: [], subscribe_permissions: [] });
      await client.isRefusedToPublish('data.public');
      await client.isRefusedToSubscribe('data.public');
    });

    test('several changes at once end with the last', async () => {
      const since = performance.now();
      for (let i = 1; i <= 5; i += 1) await stage.change(role, { publish_permissions: [`data.${i}`] });
      await client.cutAndBack(since);
      await stage.proven(account);
      await client.isRefusedToPublish('data.4');
      await client.reaches(bystander, 'data.5');
    });

    test('a client of another role of the account was never cut', () => {
      assert.equal(bystander.count('disconnect'), 0);
      assert.equal(bystander.closed, null);
    });
  });
}

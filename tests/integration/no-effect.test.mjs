// Changes that say nothing new to a server: no client is cut, and nothing is pushed.
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { claimsIn } from './lib/claims.mjs';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`changes without effect on the ${which} server`, { which }, (stage, test) => {
    const publish = ['data.>', 'alarms.*', 'hello'];
    const subscribe = ['commands.>', '_INBOX.>', 'news'];
    let account, role, user, client, heard, before;

    /** The account's JWT and the file in which the server keeps it. */
    async function look() {
      const { jwt } = await stage.proven(account);
      const [server] = stage.servers;
      const file = join(server.store, `${account.public_key}.jwt`);
      const { mtimeMs, ino } = await stat(file);
      return { jwt, stored: await server.stored(account.public_key), mtimeMs, ino };
    }

    const pushes = () => heard.pushes.filter((jwt) => claimsIn(jwt).sub === account.public_key);

    test('a client is connected, and every push is heard', async () => {
      account = await stage.createAccount('acme', { tags: ['a:1', 'b:2'] });
      role = await stage.createRole('sensor', publish, subscribe, {
        description: 'first', allow_response: true, publish_deny_permissions: ['data.a', 'data.b'],
      });
      user = await stage.createUser('sensor-1', account, role);
      heard = await stage.tap();
      before = await look();
      assert.equal(before.stored, before.jwt);
      client = await stage.connect(user.creds_file);
      heard.pushes.length = 0;
    });

    const changes = {
      'renaming a role': () => stage.change(role, { name: 'renamed' }),
      "editing a role's description": () => stage.change(role, { description: 'another one' }),
      "reordering a role's lists": () => stage.change(role, {
        publish_permissions: [...publish].reverse(),
        subscribe_permissions: [...subscribe].reverse(),
        publish_deny_permissions: ['data.b', 'data.a'],
      }),
      'naming a subject twice': () => stage.change(role, { publish_permissions: [...publish, ...publish] }),
      'making a role the default': () => stage.change(role, { is_default: true }),
      "changing a role's max_data": () => stage.change(role, { max_data: 1000 }),
      'saving a role unchanged': async () => stage.change(role, await stage.read(role)),
      'saving an account unchanged': async () => stage.change(account, await stage.read(account)),
      "reordering an account's tags": () => stage.change(account, { tags: ['b:2', 'a:1'] }),
      'renaming a user': () => stage.change(user, { nats_username: 'sensor-one' }),
      "editing a user's description": () => stage.change(user, { description: 'in the cellar' }),
      "downloading a user's creds": () => stage.creds(user),
      'adding and deleting a user that never got creds': async () => {
        const path = '/api/collections/nats_users/records?fields=id,collectionName';
        const fields = { nats_username: 'brief', account_id: account.id, role_id: role.id };
        await stage.remove(await stage.api('POST', path, fields));
      },
      'suspending and resuming a user that never got creds': async () => {
        const path = '/api/collections/nats_users/records?fields=id,collectionName';
        const fields = { nats_username: 'unborn', account_id: account.id, role_id: role.id };
        const unborn = await stage.api('POST', path, fields);
        await stage.change(unborn, { active: false });
        await stage.change(unborn, { active: true });
      },
      // The account is minted anew for this one, out of all that changed before.
      'giving the lists their first order back': () => stage.change(role, {
        publish_permissions: publish, subscribe_permissions: subscribe, publish_deny_permissions: ['data.a', 'data.b'],
      }),
    };

    for (const [what, make] of Object.entries(changes)) {
      test(what, async () => {
        await make();
        assert.deepEqual(await look(), before);
        assert.deepEqual(pushes(), []);
        assert.equal(client.count('disconnect'), 0);
      });
    }

    test('a change of what is allowed cuts the client once and is pushed once, so the others would have been seen', async () => {
      const since = performance.now();
      await stage.change(role, { publish_permissions: ['data.>'] });
      await client.cutAndBack(since);
      const now = await look();
      assert.notEqual(now.jwt, before.jwt);
      assert.equal(now.stored, now.jwt);
      assert.deepEqual(pushes(), [now.jwt]);
      assert.equal(client.count('disconnect'), 1);
      await client.isRefusedToPublish('hello');
    });
  });
}

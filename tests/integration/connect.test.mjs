// What creds are good for: their role's subjects in their own account, and nothing else.
import assert from 'node:assert/strict';
import { createUser } from '@nats-io/nkeys';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`clients on the ${which} server`, { which }, (stage, test) => {
    let account, role, user, client;

    test('a user created over the API connects with the downloaded creds', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>', 'commands.*', '_INBOX.>'], {
        publish_deny_permissions: ['data.secret'],
      });
      user = await stage.createUser('sensor-1', account, role);
      const { publish_message: message } = await stage.proven(account);
      assert.equal(message, '');
      const downloaded = await stage.creds(user);
      assert.equal(downloaded, user.creds_file);
      client = await stage.connect(downloaded);
    });

    test('it publishes and subscribes where its role allows', async () => {
      await client.reaches(client, 'data.temperature');
      const other = await stage.connect((await stage.createUser('sensor-2', account, role)).creds_file);
      await client.reaches(other, 'data.temperature.cellar');
      await other.reaches(client, 'data.x');
    });

    test('it is refused elsewhere and stays connected', async () => {
      await client.isRefusedToPublish('other.subject');
      await client.isRefusedToPublish('commands.start');
      await client.isRefusedToPublish('data.secret');
      await client.isRefusedToSubscribe('other.>');
      await client.isRefusedToSubscribe('commands.a.b');
      await client.isRefusedToSubscribe('>');
      await client.reaches(client, 'data.still-here');
      assert.equal(client.count('disconnect'), 0);
    });

    test('a role without subjects allows nothing', async () => {
      const mute = await stage.createRole('mute', [], []);
      const user = await stage.createUser('mute-1', account, mute);
      await stage.proven(account);
      const silenced = await stage.connect(user.creds_file);
      await silenced.isRefusedToPublish('data.x');
      await silenced.isRefusedToSubscribe('data.x');
    });

    test('a service may answer where it may not publish', async () => {
      const service = await stage.createRole('service', [], ['ask.>'], { allow_response: true });
      const asking = await stage.createRole('asking', ['ask.>'], ['_INBOX.>']);
      const [server, asker] = [
        await stage.createUser('server', account, service),
        await stage.createUser('asker', account, asking),
      ];
      await stage.proven(account);
      const responder = await stage.connect(server.creds_file);
      responder.nc.subscribe('ask.time', { callback: (_, message) => message.respond('noon') });
      await responder.nc.flush();
      const requester = await stage.connect(asker.creds_file);
      const answer = await requester.nc.request('ask.time', '', { timeout: 5000 });
      assert.equal(answer.string(), 'noon');
      await responder.isRefusedToPublish('_INBOX.anybody');
    });

    test('a token with the seed of another user is refused', async () => {
      const stranger = new TextDecoder().decode(createUser().getSeed());
      await stage.assertRefused(user.creds_file.replace(/^SU\S+$/m, stranger));
    });
  });
}

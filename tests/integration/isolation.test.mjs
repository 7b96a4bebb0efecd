// Accounts do not hear each other, whatever their users may publish and subscribe to.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`accounts on the ${which} server`, { which }, (stage, test) => {
    const names = ['acme', 'globex'];
    let accounts, role, users, clients, heard;

    /** Everything that the client receives until stop(), as "subject payload". */
    function listen(client) {
      const messages = [];
      const subscription = client.nc.subscribe('>', {
        callback: (_, message) => messages.push(`${message.subject} ${message.string()}`),
      });
      return { messages, stop: () => subscription.unsubscribe() };
    }

    test('two accounts share a role that allows everything', async () => {
      accounts = await Promise.all(names.map((name) => stage.createAccount(name)));
      role = await stage.createRole('everything', ['>'], ['>']);
      users = await Promise.all(accounts.map((account, i) => stage.createUser(`user-${i}`, account, role)));
      await Promise.all(accounts.map((account) => stage.proven(account)));
      clients = await Promise.all(users.map((user) => stage.connect(user.creds_file)));
      heard = clients.map(listen);
      await Promise.all(clients.map((client) => client.nc.flush()));
    });

    test('neither hears what the other publishes', async () => {
      for (const [i, client] of clients.entries()) {
        client.nc.publish('news', `from ${names[i]}`);
        client.nc.publish('private.news', `from ${names[i]}`);
        await client.nc.flush();
      }
      for (const client of clients) await client.reaches(client, 'the.end');
      for (const [i, name] of names.entries()) {
        heard[i].stop();
        const { messages } = heard[i];
        assert.deepEqual(messages.slice(0, 2), [`news from ${name}`, `private.news from ${name}`]);
        const rest = messages.slice(2);
        assert.ok(rest.length > 0 && rest.every((message) => message.startsWith('the.end ')), `${rest}`);
      }
    });

    test('neither is answered by the other', async () => {
      clients[0].nc.subscribe('ask', { callback: (_, message) => message.respond('yes') });
      await clients[0].nc.flush();
      assert.equal((await clients[0].nc.request('ask')).string(), 'yes');
      await assert.rejects(clients[1].nc.request('ask'), /no responders/);
    });

    test('neither speaks to the servers as the system account does', async () => {
      await assert.rejects(clients[0].nc.request('$SYS.REQ.CLAIMS.LIST', ''), /no responders/);
      const subject = `$SYS.REQ.ACCOUNT.${accounts[1].public_key}.CLAIMS.LOOKUP`;
      await assert.rejects(clients[0].nc.request(subject, ''), /no responders/);
    });

    test('suspending one does not touch the other', async () => {
      const since = performance.now();
      await stage.change(accounts[0], { active: false });
      await clients[0].event('disconnect', { since });
      await clients[1].reaches(clients[1], 'still.here');
      assert.equal(clients[1].count('disconnect'), 0);
      assert.equal((await stage.read(accounts[1])).publish_status, 'proven');
    });
  });
}

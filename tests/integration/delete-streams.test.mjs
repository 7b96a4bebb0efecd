// Accounts that have streams are not deleted by mistake.
import assert from 'node:assert/strict';
import { JetStream } from './lib/jetstream.mjs';
import { entombed } from './lib/tombstone.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const path = (record, query = '') => `/api/collections/nats_accounts/records/${record.id}${query}`;

for (const [which, servers] of [['newest', 1], ['newest', 3], ['oldest', 3]]) {
  onStage(`streams on ${servers} of the ${which}`, { which, servers, jetstream: true }, (stage, test) => {
    let account, plain, role, user;

    test('an account has streams', async () => {
      plain = await stage.createAccount('plain');
      account = await stage.createAccount('acme', { max_jetstream_disk_storage: 10_000_000 });
      role = await stage.createRole('all', ['>'], ['>']);
      user = await stage.createUser('one', account, role);
      await stage.proven(account);
      const js = new JetStream(await stage.connect(user.creds_file));
      await js.info('JetStream', (info) => !info.error);
      for (const name of ['ORDERS', 'EVENTS']) {
        await until(`the stream ${name}`, async () => {
          const { error } = await js.ask(`$JS.API.STREAM.CREATE.${name}`, {
            name, subjects: [`${name}.>`], storage: 'file', num_replicas: 1, max_bytes: 1_000_000,
          });
          if (error) throw new Error(JSON.stringify(error));
          return true;
        }, { deadline: 30_000 });
      }
    });

    test('the answer says who can delete them, if anybody can', async () => {
      const refusal = async () => (await stage.daemon.api('DELETE', path(account, '?dry_run=1'))).body.message;
      assert.match(await refusal(), /S\. Delete them first, and its users then\. With \?force=1 they stay, out of reach\.$/);
      await stage.change(account, { active: false });
      assert.match(await refusal(), /S\. It is suspended, so nobody can delete them\. With \?force=1 they stay, out of reach\.$/);
      await stage.change(account, { active: true });
      await stage.remove(user);
      assert.match(await refusal(), /S\. It has no user left who could delete them\. With \?force=1 they stay, out of reach\.$/);
    });

    test('it is not deleted, and the answer names them', async () => {
      for (const query of ['', '?dry_run=1', '?force=0']) {
        const { status, body } = await stage.daemon.api('DELETE', path(account, query));
        assert.equal(status, 400);
        assert.match(body.message, /has streams: (ORDERS, EVENTS|EVENTS, ORDERS)\./);
        assert.match(body.message, /force=1/);
      }
      assert.equal((await stage.daemon.api('DELETE', path(account, '?force=yes'))).status, 400);
      assert.equal((await stage.daemon.api('DELETE', `/api/collections/nats_roles/records/${role.id}?force=1`)).status, 400);
      assert.equal((await stage.read(account)).id, account.id);
    });

    test('without them it is', async () => {
      const empty = await stage.createAccount('empty', { max_jetstream_disk_storage: 10_000_000 });
      await stage.proven(empty);
      await stage.remove(empty);
    });

    test('while NATS is away it is not known', async () => {
      await Promise.all(stage.servers.map((server) => server.stop()));
      await until('natsid knows', async () => !(await stage.nats()).connected);
      const { status, body } = await stage.daemon.api('DELETE', path(account));
      assert.equal(status, 400);
      assert.match(body.message, /NATS does not answer.*force=1/);
      await stage.remove(plain); // has no JetStream: nobody is asked
      await Promise.all(stage.servers.map((server) => server.start()));
      await until('they are back', async () => (await stage.nats()).servers === servers, { deadline: 30_000 });
    });

    if (servers > 1) {
      test('a server that does not answer may have some', async () => {
        const bare = await stage.createAccount('bare', { max_jetstream_disk_storage: 10_000_000 });
        await stage.proven(bare);
        const [, , down] = stage.servers;
        await down.stop();
        const refused = await until('natsid misses it', async () => {
          const { status, body } = await stage.daemon.api('DELETE', path(bare, '?dry_run=1'));
          return status === 400 && body.message;
        }, { deadline: 20_000 });
        assert.match(refused, /The server s3 does not answer|Not all servers answer/);
        await down.start();
        await until('it is deleted now', async () => (await stage.daemon.api('DELETE', path(bare))).status === 204, { deadline: 30_000 });
      });
    }

    test('force deletes it all the same, and lets nobody reach them', async () => {
      const { status } = await stage.daemon.api('DELETE', path(account, '?force=1'));
      assert.equal(status, 204);
      await entombed(stage, account);
      await stage.assertRefused(user.creds_file);
    });
  });
}

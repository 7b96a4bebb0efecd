// Accounts that a restored backup lacks: users are in, natsid says so, and their JWTs can be taken off the servers.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from './lib/operator.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`accounts made after the backup, on the ${which} servers`, { which, servers: 3 }, (stage, test) => {
    let late, creds;
    const told = () => stage.daemon.log().match(/^.* accounts that natsid does not know .*$/gm) ?? [];
    const counts = async () => (await stage.api('GET', '/api/v1/servers')).items.map(({ foreign }) => foreign);
    const metric = async () => (await stage.daemon.api('GET', '/metrics')).text.match(/^natsid_accounts_foreign (\d+)$/m)[1];
    const reconcile = async () => assert.equal((await stage.daemon.api('POST', '/api/v1/reconcile', {})).status, 202);
    const finished = async () => (await stage.api('GET', '/api/v1/servers')).sweep.finished;

    test('a user of one is in when the backup was restored', async () => {
      await stage.proven(await stage.createAccount('acme'));
      const backup = join(stage.directory, 'backup.db');
      sql(stage.data, `.backup '${backup}'`);
      late = await stage.createAccount('late');
      const user = await stage.createUser('one', late, await stage.createRole('all', ['>'], ['>']));
      await stage.proven(late);
      creds = await stage.creds(user);
      assert.deepEqual([told(), await metric()], [[], '0']);
      await stage.restore(backup);
      await (await stage.connect(creds)).close();
    });

    test('natsid finds the account, and says so once', async () => {
      await reconcile();
      await until('all servers were asked', async () => (await counts()).every((count) => count === 1), { deadline: 30_000 });
      assert.equal(await metric(), '1');
      const { items } = await stage.api('GET', '/api/v1/drift');
      assert.deepEqual(items.map(({ kind, account, server }) => [kind, account, server]).sort(),
        ['s1', 's2', 's3'].map((server) => ['foreign', late.public_key, server]));
      const before = await finished();
      await reconcile();
      await until('the next pass is over', async () => (await finished()) > before, { deadline: 30_000 });
      assert.equal(told().length, 1, told().join('\n'));
      assert.match(told()[0], new RegExp(` warn a server holds accounts .* server=s[123] accounts=1 first=${late.public_key}$`));
    });

    test('off all servers, which are started again, it lets nobody in', async () => {
      for (const server of stage.servers) await rm(join(server.store, `${late.public_key}.jwt`));
      for (const server of stage.servers) {
        await server.stop();
        await server.start();
      }
      await stage.assertRefused(creds);
      for (const server of stage.servers) assert.equal(await server.stored(late.public_key), null);
      await until('natsid is back', async () => (await stage.nats()).servers === 3, { deadline: 30_000 });
      await reconcile();
      await until('it is told no more', async () => (await counts()).every((count) => count === 0), { deadline: 30_000 });
      assert.equal(await metric(), '0');
      await stage.assertRefused(creds);
    });
  });
}

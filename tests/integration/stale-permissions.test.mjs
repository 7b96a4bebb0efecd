// What an account, a role or a user does not say any more, no JWT that was handed out before may say either.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';

for (const which of ['newest', 'oldest']) {
  onStage(`stale permissions on the ${which} server`, { which }, (stage, test) => {
    test('a role that gives more does not give it to JWTs from before the user had limits of its own', async () => {
      const account = await stage.createAccount('limits');
      const role = await stage.createRole('limited', ['data.>'], ['data.>', '_INBOX.>'], { networks: ['10.0.0.0/8'] });
      const user = await stage.createUser('one', account, role);
      const before = await stage.creds(user);
      await stage.change(user, { networks: ['10.0.0.0/8', '192.168.0.0/16'] });
      await stage.change(role, { networks: [] });
      await stage.proven(account);
      await stage.assertRefused(await stage.creds(user)); // we come from 127.0.0.1
      await stage.assertRefused(before);
    });

    test('an account with another name: subjects that were made of the old one are gone', async () => {
      const account = await stage.createAccount('old');
      const role = await stage.createRole('fed', ['x.{{account-name()}}.>'], ['>']);
      const other = await stage.createUser('scoped', account, role);
      const user = await stage.createUser('own', account, role, { publish_permissions: ['own'] });
      const creds = await stage.creds(user);
      await stage.proven(account);
      const scoped = await stage.connect(await stage.creds(other));
      const own = await stage.connect(creds);
      await own.reaches(scoped, 'x.old.1');
      await stage.change(account, { name: 'new' });
      await stage.proven(account);
      await stage.assertRefused(creds);
      const again = await stage.connect(await stage.creds(user));
      await again.isRefusedToPublish('x.old.1');
      await again.reaches(again, 'x.new.1');
      assert.ok(scoped.count('disconnect') > 0, 'the one with the role alone still lives on the old name');
    });

    test('regenerating takes back what was issued ahead of the clock, after the keys of then are gone', async () => {
      const account = await stage.createAccount('ahead');
      const role = await stage.createRole('any', ['>'], ['>']);
      const user = await stage.createUser('one', account, role);
      await stage.creds(user);
      for (let i = 0; i < 30; i += 1) await stage.change(account, { revoke_all: true });
      const { signing_keys: [{ public_key: first }] } = await stage.api('GET', `/api/v1/accounts/${account.id}/signing-keys`);
      await stage.change(account, { add_signing_key: true });
      const creds = await stage.creds(user);
      await stage.change(account, { remove_signing_key: first });
      await stage.change(user, { regenerate: true });
      await stage.proven(account);
      await stage.assertRefused(creds);
      await stage.connect(await stage.creds(user));
    });
  });
}

// A clock that was ahead once: minting waits rather than dating JWTs before older ones, and a person may let it go on.
import assert from 'node:assert/strict';
import { claimsIn } from './lib/claims.mjs';
import { must, natsid } from './lib/natsid.mjs';
import { sql } from './lib/operator.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const DAY = 24 * 60 * 60;

for (const which of ['newest', 'oldest']) {
  onStage(`the clock on the ${which} server`, { which }, (stage, test) => {
    let account, role, user, last;

    const stored = async () => claimsIn(await stage.servers[0].stored(account.public_key));
    const override = () => natsid(['account', 'override', 'acme', '--data', stage.data]);

    test('an account with a good clock needs nobody', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      user = await stage.createUser('one', account, role);
      await stage.proven(account);
      const { code, stderr } = await override();
      assert.equal(code, 1);
      assert.match(stderr, /neither in quarantine nor held because of the clock/);
    });

    test('when the last JWT is of tomorrow, changes are held, and it says why', async () => {
      await stage.stopDaemon();
      last = Math.floor(Date.now() / 1000) + DAY;
      sql(stage.data, `UPDATE account_publish SET last_iat = ${last}, minted_at = ${last * 1000}
        WHERE account = (SELECT seq FROM accounts WHERE id = '${account.id}')`);
      await stage.startDaemon();
      const before = await stage.servers[0].stored(account.public_key);
      await stage.change(user, { active: false });
      const { publish_message: message } = await until('it is held', async () => {
        const now = await stage.read(account);
        return now.publish_status === 'held' && now;
      });
      assert.match(message, /clock/i);
      assert.equal(await stage.servers[0].stored(account.public_key), before);
    });

    test('overridden, it goes on, dated ahead of the clock, and so does the next change', async () => {
      const { code, stdout } = await override();
      assert.equal(code, 0);
      assert.match(stdout, /dated 8\d{4} s ahead of the clock/);
      await stage.proven(account, { deadline: 20_000 }); // what is held is looked at every 10 s
      const first = await stored();
      assert.ok(first.iat > last);
      await stage.assertRefused(user.creds_file);
      await stage.change(user, { active: true });
      await stage.proven(account);
      assert.ok((await stored()).iat > first.iat);
      await stage.connect(user.creds_file);
      // The others are dated as always.
      const other = await stage.createAccount('other');
      const { jwt } = await stage.proven(other);
      assert.ok(claimsIn(jwt).iat < last - DAY / 2);
      await must(['account', 'quarantine', '--data', stage.data]);
    });
  });
}

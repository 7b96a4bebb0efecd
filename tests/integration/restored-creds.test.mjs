// A backup knows nothing of the creds that left after it was made: who is locked out once it is restored is out all the same.
import assert from 'node:assert/strict';
import { cp, readFile, rm } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { claimsIn } from './lib/claims.mjs';
import { must } from './lib/natsid.mjs';
import { sql } from './lib/operator.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const warning = /warn a backup was restored: .* database_of="20\d\d-[^"]+" served_until="20\d\d-[^"]+" /;
const anybody = { token: null };

for (const which of ['newest', 'oldest']) {
  onStage(`creds since the backup, ${which} server`, { which }, (stage, test) => {
    let acme, calm, late, renewed, back, backCalm, linked, token, lateCreds, renewedCreds, backCreds, calmCreds;

    const heartbeat = () => readFile(join(stage.data, 'heartbeat'), 'utf8').then((text) => text.trim());
    const backup = () => join(stage.directory, 'backup.db');
    const marked = () => sql(stage.data, 'SELECT count(*) FROM users WHERE unknown_set > 0');
    const entries = (user, cause) =>
      sql(stage.data, `SELECT expires FROM revocations r JOIN users u USING (public_key) WHERE u.id = '${user.id}' AND cause = '${cause}'`);
    const beats = (file) => execFileSync('sqlite3', [file, "SELECT value FROM settings WHERE key LIKE 'heartbeat%'"], { encoding: 'utf8' });

    /** A user whose creds did not leave, as they do in the answer to its creation. */
    const createQuietly = (name, account, role) =>
      stage.api('POST', '/api/collections/nats_users/records?fields=id,collectionName,public_key,nats_username',
        { nats_username: name, account_id: account.id, role_id: role.id });

    const ended = (creds) => {
      const { exp } = claimsIn(/^(eyJ\S+)$/m.exec(creds)[1]);
      return until('the JWT has ended', () => Date.now() / 1000 > exp + 1);
    };

    const makeBackup = () => rm(backup(), { force: true }).then(() => sql(stage.data, `.backup ${backup()}`));

    /** As the README says. */
    async function putBack() {
      for (const end of ['', '-wal', '-shm']) await rm(join(stage.data, `natsid.db${end}`), { force: true });
      await cp(backup(), join(stage.data, 'natsid.db'));
      await stage.startDaemon();
    }

    async function refusedAfter(account, user, creds, change) {
      await stage.connect(creds);
      await stage.change(user, change);
      await stage.proven(account);
      await stage.assertRefused(creds);
    }

    test('restarts and crashes are no restored backup', async () => {
      acme = await stage.createAccount('acme');
      calm = await stage.createAccount('calm');
      const role = await stage.createRole('device', ['>'], ['>']);
      const short = await stage.createRole('short', ['>'], ['>'], { default_lifetime: 1 });
      late = await createQuietly('late', acme, role);
      renewed = await stage.createUser('renewed', calm, short);
      back = await stage.createUser('back', acme, short);
      backCalm = await createQuietly('back', calm, role);
      linked = await stage.createUser('linked', calm, role);
      for (const end of ['stopDaemon', 'killDaemon', 'killDaemon', 'stopDaemon']) {
        await stage[end]();
        await stage.startDaemon();
        assert.doesNotMatch(stage.daemon.log(), /restored/);
        assert.equal(marked(), '0');
      }
      assert.equal(sql(stage.data, `SELECT issued_at FROM users WHERE id = '${late.id}'`), '0');
    });

    test('a backup is made, and then creds leave', async () => {
      ({ token } = (await stage.daemon.api('POST', `/api/v1/users/${linked.id}/creds-link`, {})).body);
      await stage.change(back, { active: false });
      await stage.change(backCalm, { active: false });
      await Promise.all([stage.proven(acme), stage.proven(calm)]);
      await makeBackup();

      assert.equal((await stage.daemon.api('POST', '/api/v1/creds-links/open', { token }, anybody)).status, 200);
      lateCreds = await stage.creds(late);
      await stage.api('PATCH', `/api/collections/nats_roles/records/${(await stage.read(renewed)).role_id}`, { default_lifetime: 7200 });
      await ended(renewed.creds_file);
      renewedCreds = await stage.creds(renewed);
      await stage.change(back, { active: true });
      await stage.change(backCalm, { active: true });
      backCreds = await stage.creds(back);
      calmCreds = await stage.creds(backCalm);
      await Promise.all([stage.proven(acme), stage.proven(calm)]);
      for (const creds of [lateCreds, renewedCreds, backCreds, calmCreds]) await stage.connect(creds);
    });

    test('natsid dies, and finds the backup', async () => {
      const old = beats(backup());
      await until('it beat since', async () => !old.includes(await heartbeat()));
      await stage.killDaemon();
      await putBack();
      assert.match(stage.daemon.log(), warning);
      assert.match(stage.daemon.log(), / users=5 suspended=2 accounts_refused=0 links=1 read=docs\/cli\.md#creds-since-the-backup/);
      assert.equal(marked(), '5');
      assert.equal(sql(stage.data, "SELECT count(*) FROM audit WHERE action = 'restored'"), '1');
    });

    test('who was suspended is not let in with creds that left since', async () => {
      // Nothing of the account had changed on the servers: no person is asked.
      await stage.proven(calm);
      await stage.assertRefused(calmCreds);
      await until('acme is held', async () => (await stage.read(acme)).publish_status === 'held');
      await must(['account', 'adopt', 'acme', '--data', stage.data]);
      await stage.proven(acme);
      await stage.assertRefused(backCreds);
      await stage.change(back, { active: true });
      await stage.proven(acme);
      await stage.connect(backCreds);
    });

    test('a link that was opened is not opened again', async () => {
      assert.equal((await stage.daemon.api('POST', '/api/v1/creds-links/open', { token }, anybody)).status, 404);
    });

    test('first creds that left since are refused when their user is suspended', async () => {
      await refusedAfter(acme, late, lateCreds, { active: false });
      assert.equal(entries(late, 'suspend'), '0');
    });

    test('renewed creds are refused for as long as they may live', async () => {
      await refusedAfter(calm, renewed, renewedCreds, { active: false });
      assert.equal(entries(renewed, 'suspend'), '0');
      await stage.change(renewed, { active: true });
      await stage.proven(calm);
      const again = await stage.change(renewed, { regenerate: true });
      await stage.proven(calm);
      await stage.assertRefused(renewedCreds);
      assert.equal(entries(renewed, 'regenerate'), '0');
      await stage.connect(again.creds_file);
      assert.equal(sql(stage.data, `SELECT unknown_set FROM users WHERE id = '${renewed.id}'`), '0');
    });

    test('a backup is found, too, when natsid ended at once after it', async () => {
      await makeBackup();
      assert.equal((await stage.daemon.api('GET', `/api/v1/users/${renewed.id}/creds`)).status, 200);
      await stage.stopDaemon();
      await putBack();
      assert.match(stage.daemon.log(), warning);
      assert.equal(marked(), '5');
      await stage.stopDaemon();
      await stage.startDaemon();
      assert.doesNotMatch(stage.daemon.log(), /restored/);
    });

    test('removing the file tells natsid that all of the directory was restored', async () => {
      await stage.stopDaemon();
      await rm(join(stage.data, 'heartbeat'));
      await stage.startDaemon();
      assert.match(stage.daemon.log(), /warn a backup was restored: .* served_until="" /);
    });
  });
}

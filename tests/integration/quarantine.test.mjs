// What natsid must not overwrite unasked: a server's JWT that is newer than its database, or another hand's.
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { claimsIn, signingKeysIn } from './lib/claims.mjs';
import { Hand } from './lib/hand.mjs';
import { must, natsid } from './lib/natsid.mjs';
import { sql } from './lib/operator.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const USERS = 50;
const inSeconds = (seconds) => Math.floor(Date.now() / 1000) + seconds;

for (const which of ['newest', 'oldest']) {
  onStage(`quarantine on the ${which} server`, { which }, (stage, test) => {
    let account, other, role, users, kept, guest, hand, backup;

    const held = (record) => until(`${record.name} is held`, async () => {
      const now = await stage.read(record);
      return now.publish_status === 'held' && now;
    }, { deadline: 30_000 });

    const stored = (record) => stage.servers[0].stored(record.public_key);
    const account_ = (verb, ...args) => must(['account', verb, ...args, '--data', stage.data]);

    const sweep = async () => (await stage.api('GET', '/api/v1/servers')).sweep;

    async function makeBackup(name) {
      await stage.stopDaemon();
      const file = join(stage.directory, `${name}.db`);
      sql(stage.data, 'PRAGMA wal_checkpoint(TRUNCATE)');
      await copyFile(join(stage.data, 'natsid.db'), file);
      await stage.startDaemon();
      return file;
    }

    const trusted = async (record) => signingKeysIn(claimsIn(await stored(record))).sort();

    test('a backup is made, and then users are revoked, and another account suspended', async () => {
      account = await stage.createAccount('acme');
      other = await stage.createAccount('globex');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      users = [];
      for (let i = 0; i < USERS; i += 1) users.push(await stage.createUser(`user-${i}`, account, role));
      kept = await stage.createUser('kept', account, role);
      guest = await stage.createUser('guest', other, role);
      hand = await Hand.join(stage);
      await Promise.all([stage.proven(account), stage.proven(other)]);
      backup = await makeBackup('backup');
      for (const user of users) await stage.remove(user);
      await stage.change(other, { active: false });
      await Promise.all([stage.proven(account), stage.proven(other)]);
      assert.equal(Object.keys(claimsIn(await stored(account)).nats.revocations).length, USERS);
    });

    test('with the backup restored nothing is pushed before a person chooses', async () => {
      const [before, beforeOther] = [await stored(account), await stored(other)];
      await stage.restore(backup);
      const { publish_message: message } = await held(account);
      assert.match(message, /natsid account adopt/);
      await held(other);
      await stage.change(account, { max_connections: 77 });
      await stage.change(users[0], { description: 'changed while it is held' });
      // Others go on meanwhile: what is proven later was looked at later.
      const third = await stage.createAccount('initech');
      await stage.proven(third);
      await stage.swept();
      assert.equal(await stored(account), before);
      assert.equal(await stored(other), beforeOther);
      for (const user of users.slice(0, 3)) await stage.assertRefused(user.creds_file);
    });

    test('the console shows what is held, and how it differs', async () => {
      const { stdout } = await account_('quarantine');
      assert.match(stdout, /^acme$/m);
      assert.match(stdout, new RegExp(`id ${account.id}, key ${account.public_key}`));
      assert.match(stdout, /newer: server (s1|\(one of several\)) has a JWT of this natsid/);
      assert.match(stdout, /generation \d+ \(here: \d+\)/);
      assert.match(stdout, new RegExp(`revocations only on the server: ${USERS} \\(U[A-Z2-7]{55}, `));
      assert.match(stdout, /different: limits/);
      assert.match(stdout, /^globex$/m);
      assert.match(stdout, /lets nobody in/);
      assert.doesNotMatch(stdout, /\bS[UAO][A-Z2-7]{56}\b/);
      assert.doesNotMatch(stdout, /eyJ/);
    });

    test('who is not a superuser may choose nothing', async () => {
      for (const verb of ['adopt', 'override']) {
        const path = `/api/v1/accounts/${account.id}/${verb}`;
        assert.equal((await stage.daemon.api('POST', path, undefined, { token: null })).status, 401);
        assert.equal((await stage.daemon.api('POST', `/api/v1/accounts/nosuchaccount00/${verb}`)).status, 404);
        const free = (await stage.accounts()).find(({ name }) => name === 'initech');
        assert.equal((await stage.daemon.api('POST', `/api/v1/accounts/${free.id}/${verb}`)).status, 409);
        assert.equal((await stage.daemon.api('POST', path, { force: true })).status, 400);
      }
      await held(account);
    });

    test('adopting takes the revocations over, and the rest is as it is here', async () => {
      const { stdout } = await account_('adopt', 'acme');
      assert.match(stdout, new RegExp(`Adopted acme; ${USERS} revocations taken over`));
      await stage.proven(account);
      const { nats } = claimsIn(await stored(account));
      assert.equal(Object.keys(nats.revocations).length, USERS);
      assert.equal(nats.limits.conn, 77);
      for (const user of users) await stage.assertRefused(user.creds_file);
      await stage.connect(kept.creds_file);
      // They are back in the database, and out for good until they get new creds.
      const again = await stage.change(users[0], { regenerate: true });
      await stage.proven(account);
      await stage.connect(again.creds_file);
      await stage.assertRefused(users[0].creds_file);
    });

    test('adopting what was suspended suspends it', async () => {
      const { status, body } = await stage.daemon.api('POST', `/api/v1/accounts/${other.id}/adopt`);
      assert.equal(status, 200);
      assert.deepEqual([body.account, body.public_key, body.suspended], [other.id, other.public_key, true]);
      const proven = await stage.proven(other);
      assert.equal(proven.active, false);
      await stage.change(other, { active: true });
      await stage.proven(other);
      // What was removed or revoked before the suspension is not known: nobody is in with what was issued then.
      assert.equal(body.retired_signing_keys.length, 2);
      assert.equal(body.users_of_retired_keys, 1);
      await stage.assertRefused(guest.creds_file);
      await stage.connect(await stage.creds(guest));
      assert.match((await account_('quarantine')).stdout, /No account is in quarantine/);
    });

    test('adopting after keys were rotated lets nobody in with what was issued before', async () => {
      await stage.change(account, { rotate_keys: true });
      await stage.proven(account);
      assert.deepEqual(claimsIn(await stored(account)).nats.revocations ?? {}, {});
      await stage.restore(backup);
      const { signing_keys: before } = await held(account);
      await held(other);
      const { stdout } = await account_('quarantine');
      assert.match(stdout, new RegExp(`signing keys only here: ${before.length} \\(A[A-Z2-7]{55}.*refused now`));
      assert.match(stdout, /signing keys only on the server: 2 .*will be refused/);
      assert.match(stdout, /retires the signing keys that are "only here".*all else is as it is here/s);
      const { body } = await stage.daemon.api('POST', `/api/v1/accounts/${account.id}/adopt`);
      assert.deepEqual(body.retired_signing_keys, before);
      assert.equal(body.users_of_retired_keys, USERS + 1);
      assert.equal(body.lost_signing_keys, 2);
      assert.equal(body.signing_keys_only_here, 0);
      const { signing_keys: now } = await stage.proven(account);
      assert.deepEqual(await trusted(account), [...now].sort());
      assert.ok(now.length === before.length && now.every((key) => !before.includes(key)));
      for (const user of [kept, ...users.slice(0, 3)]) await stage.assertRefused(user.creds_file);
      await stage.connect(await stage.creds(kept));
    });

    test('adopting after a key was removed retires its set, and users of the others stay', async () => {
      const one = await stage.createAccount('hooli');
      const meter = await stage.createRole('meter', ['meter.>'], []);
      const old = await stage.createUser('old', one, role);
      const moved = await stage.createUser('moved', one, role);
      await stage.change(one, { add_signing_key: true });
      const good = await stage.createUser('good', one, role);
      const gone = await stage.createUser('gone', one, meter);
      const { signing_keys: [first, second] } = await stage.proven(one);
      const later = await makeBackup('later');
      await stage.change(one, { remove_signing_key: first });
      const movedCreds = await stage.creds(moved);
      await stage.remove(gone);
      await stage.remove(meter);
      const { signing_keys: left } = await stage.proven(one);
      assert.deepEqual(await trusted(one), [...left].sort());
      await stage.connect(movedCreds);

      await stage.restore(later);
      const { signing_keys: restored } = await held(one);
      const { stdout } = await account_('adopt', 'hooli');
      assert.match(stdout, /^Adopted hooli; 1 revocation taken over; /);
      assert.match(stdout, /; 3 signing keys that the server's JWT does not have are retired: 3 users need new creds\.\n/);
      const retired = [...stdout.matchAll(/^ {2}retired: (A[A-Z2-7]{55})$/gm)].map(([, key]) => key);
      assert.deepEqual(retired, restored.filter((key) => !left.includes(key)));
      assert.ok(retired.includes(first) && retired.includes(second));
      await stage.proven(one);
      const now = await trusted(one);
      assert.ok(left.every((key) => now.includes(key)) && retired.every((key) => !now.includes(key)));
      for (const user of [old, moved, gone]) await stage.assertRefused(user.creds_file);
      await stage.connect(good.creds_file);
      await stage.connect(movedCreds);
      await stage.connect(await stage.creds(old));
      // The backup has it on the set that went; what it got since is revoked all the same.
      await stage.change(moved, { revoke: true });
      await stage.proven(one);
      await stage.assertRefused(movedCreds);
    });

    test('overriding takes nothing over', async () => {
      await stage.restore(backup);
      await held(account);
      await held(other);
      const { stdout } = await account_('override', '--all');
      assert.match(stdout, /^Overrode .*\.\nOverrode .*\.\nIf a server shows yet another JWT .*\nin quarantine again .*: choose once more\.\n$/);
      await stage.proven(account);
      assert.equal((await stage.proven(other)).active, true);
      assert.deepEqual(claimsIn(await stored(account)).nats.revocations ?? {}, {});
      for (const user of users.slice(0, 3)) await stage.connect(user.creds_file);
      const audit = sql(stage.data, "SELECT group_concat(action || ' ' || actor) FROM audit WHERE action IN ('adopt', 'override')");
      assert.equal(audit, 'override console,override console');
    });

    test("another hand's JWT stops the account until a person overrides it", async () => {
      const ours = claimsIn(await stored(account));
      const [one, two] = users.slice(10, 12).map(({ public_key: key }) => key);
      const theirs = await hand.push(hand.sign({
        ...ours, iat: inSeconds(1), nats: { ...ours.nats, tags: undefined, revocations: { [one]: inSeconds(0) } },
      }));
      await held(account);
      await stage.change(users[11], { active: false });
      await stage.proven(await stage.createAccount('umbrella'));
      assert.equal(await stored(account), theirs);
      const { stdout } = await account_('quarantine');
      assert.match(stdout, /foreign: .* another hand/);
      assert.match(stdout, new RegExp(`revocations only on the server: 1 \\(${one}\\)`));
      assert.match(stdout, new RegExp(`revocations only here: 1 \\(${two}\\)`));

      await account_('adopt', account.id);
      await stage.proven(account);
      const { revocations } = claimsIn(await stored(account)).nats;
      assert.deepEqual(Object.keys(revocations).sort(), [one, two].sort());
      await stage.change(users[11], { active: true });
      await stage.proven(account);
      assert.deepEqual(Object.keys(claimsIn(await stored(account)).nats.revocations), [one]);
    });

    test('a push by any of the subjects that servers take is heard, not found by a pass', async () => {
      const older = await stored(account);
      await stage.change(account, { max_connections: 78 });
      await stage.proven(account);
      const newest = await stored(account);
      for (const subject of ['$SYS.REQ.CLAIMS.UPDATE', `$SYS.REQ.ACCOUNT.${account.public_key}.CLAIMS.UPDATE`, `$SYS.ACCOUNT.${account.public_key}.CLAIMS.UPDATE`]) {
        await until(`${subject} is put right between two passes`, async () => {
          // Nor does it look once more at what it heard before.
          await until('natsid has nothing to do', async () => (await stage.nats()).open_accounts === 0 && !(await sweep()).running, { deadline: 30_000 });
          const before = (await sweep()).started;
          await hand.push(older, subject);
          await until('the newest is back', async () => await stored(account) === newest, { deadline: 30_000 });
          return (await sweep()).started === before;
        }, { deadline: 40_000 });
      }
    });

    test('a JWT that is rightly signed and that natsid cannot read is not overwritten unasked', async () => {
      const ours = claimsIn(await stored(account));
      const theirs = await hand.push(hand.signText(`{"name":"other",${JSON.stringify({ ...ours, iss: hand.key.getPublicKey() }).slice(1)}`));
      await held(account);
      await stage.swept();
      assert.equal(await stored(account), theirs);
      const { stdout } = await account_('quarantine');
      assert.match(stdout, /foreign: .* another hand/);
      assert.match(stdout, /cannot be read: .*duplicate object key "name"/);
      assert.equal((await natsid(['account', 'adopt', 'acme', '--data', stage.data])).code, 1);
      await account_('override', 'acme');
      await stage.proven(account);
      assert.notEqual(await stored(account), theirs);
    });

    test('a JWT from the future is overtaken when a person says so, and so is the next one', async () => {
      const ours = claimsIn(await stored(account));
      const future = inSeconds(3600);
      await hand.push(hand.sign({ ...ours, iat: future }));
      await held(account);
      const { body } = await stage.daemon.api('POST', `/api/v1/accounts/${account.public_key}/override`);
      assert.equal(body.status, 404, 'only an id is an id');
      const { stdout } = await account_('override', account.public_key);
      assert.match(stdout, /dated 3\d\d\d s ahead of the clock/);
      await stage.proven(account);
      assert.ok(claimsIn(await stored(account)).iat > future);
      await stage.change(account, { max_connections: 5 });
      await stage.proven(account);
      const last = claimsIn(await stored(account));
      assert.equal(last.nats.limits.conn, 5);
      assert.ok(last.iat > future + 1);
    });

    test('the command says which of many it could not do', async () => {
      const { code, stderr } = await natsid(['account', 'adopt', 'nosuch', 'acme', '--data', stage.data]);
      assert.equal(code, 1);
      assert.match(stderr, /nosuch: There is no account "nosuch"/);
      assert.match(stderr, /acme: The account is not in quarantine/);
      assert.equal((await natsid(['account', 'adopt', '--data', stage.data])).code, 2);
      assert.equal((await natsid(['account', 'override', 'acme', '--all', '--data', stage.data])).code, 2);
    });
  });
}

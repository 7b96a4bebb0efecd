// Signing keys of an account come in sets: a new one signs from then on, an old one goes when nobody needs it.
import assert from 'node:assert/strict';
import { onStage } from './lib/stage.mjs';
import { until } from './lib/processes.mjs';

const keysPath = (account) => `/api/v1/accounts/${account.id}/signing-keys`;

for (const which of ['newest', 'oldest']) {
  onStage(`signing keys on the ${which} server`, { which }, (stage, test) => {
    let account, role, user, old, oldCreds, fresh;

    const keys = async () => (await stage.api('GET', keysPath(account))).signing_keys;
    const plain = async (set) => (await keys()).find((key) => key.key_set === set && key.role_id === '');
    const connections = async (set) =>
      (await keys()).filter((key) => key.key_set === set).reduce((sum, key) => sum + key.connections, 0);

    test('a new set signs beside the old one, and nobody is cut', async () => {
      account = await stage.createAccount('acme');
      role = await stage.createRole('sensor', ['data.>'], ['data.>']);
      user = await stage.createUser('one', account, role);
      oldCreds = user.creds_file;
      await stage.proven(account);
      old = await stage.connect(oldCreds);
      await stage.change(account, { add_signing_key: true });
      await stage.proven(account);
      const list = await keys();
      assert.deepEqual(list.map(({ key_set, signs }) => [key_set, signs]), [[1, false], [1, false], [2, true], [2, true]]);
      fresh = await stage.connect(await stage.creds(user));
      await fresh.reaches(old, 'data.x');
      assert.equal(old.count('disconnect'), 0);
    });

    test('it is told who is on which set', async () => {
      await until('both are counted', async () => await connections(1) === 1 && await connections(2) === 1);
      const { complete, other_connections: others } = await stage.api('GET', keysPath(account));
      assert.equal(complete, true);
      assert.equal(others, 0);
    });

    test('the set that signs cannot go, and a plan must make sense', async () => {
      const { public_key: current } = await plain(2);
      const { public_key: first } = await plain(1);
      const post = (key, body) => stage.daemon.api('POST', `${keysPath(account)}/${key}/retire`, body);
      assert.equal((await post(current, { below_percent: 10 })).status, 409);
      assert.equal((await post(current, {})).status, 400);
      assert.equal((await post('nonsense', { below_percent: 10 })).status, 404);
      assert.equal((await post(first, { below_percent: 101 })).status, 400);
      assert.equal((await post(first, { at: 'soon' })).status, 400);
      assert.equal((await post(first, { when: 'soon' })).status, 400);
      assert.equal((await stage.daemon.api('GET', keysPath({ id: 'nobody' }))).status, 404);
      assert.equal((await stage.daemon.api('GET', keysPath(account), undefined, { token: null })).status, 401);
      assert.equal((await keys()).length, 4);
    });

    test('an old set goes by itself once few are on it', async () => {
      const { public_key: first } = await plain(1);
      await stage.api('POST', `${keysPath(account)}/${first}/retire`, { below_percent: 50 });
      assert.equal((await plain(1)).retire_below_percent, 50);
      await stage.connect(await stage.creds(user)); // two of three are on the new one
      const cut = old.event('disconnect', { deadline: 30_000 });
      await until('the old set is gone', async () => (await keys()).length === 2, { deadline: 30_000 });
      await cut;
      await stage.proven(account);
      await stage.assertRefused(oldCreds);
      assert.equal(fresh.count('disconnect'), 0);
    });

    test('an old set goes at the date', async () => {
      await stage.change(account, { add_signing_key: true });
      const { public_key: second } = await plain(2);
      const path = `${keysPath(account)}/${second}`;
      await stage.api('POST', `${path}/retire`, { at: new Date(Date.now() + 3600_000).toISOString() });
      assert.match((await plain(2)).retire_at, /^20/);
      await stage.api('POST', `${path}/keep`);
      assert.equal((await plain(2)).retire_at, '');
      const at = new Date(Date.now() + 10_000);
      await stage.api('POST', `${path}/retire`, { at: at.toISOString() });
      await until('the set is gone', async () => (await keys()).length === 2, { deadline: 30_000 });
      assert.ok(Date.now() >= at.getTime(), 'not before');
      await fresh.event('disconnect');
      fresh = await stage.connect(await stage.creds(user));
    });

    test('rotating cuts everybody, and creds that are read then work', async () => {
      const before = await stage.creds(user);
      const since = performance.now();
      await stage.change(account, { rotate_keys: true });
      await fresh.event('disconnect', { since });
      await stage.proven(account);
      await stage.assertRefused(before);
      fresh = await stage.connect(await stage.creds(user));
      await fresh.reaches(fresh, 'data.y');
    });
  });
}

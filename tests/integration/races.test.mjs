// Fifty writes of each kind at the same time on one account: nothing that was acknowledged is lost, each JWT that leaves is
// newer than the one before, and the last one says what the rows say.
import assert from 'node:assert/strict';
import { claimsOf, signingKeysIn } from './lib/claims.mjs';
import { checkDatabase } from './lib/natsid.mjs';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const MANY = 50;
const jwtOf = (creds) => /^(eyJ\S+)$/m.exec(creds)[1];
const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));

onStage('races on one account', {}, (stage, test) => {
  let account, role, heard;
  let made = 0;

  const path = ({ collectionName, id }) => `/api/collections/${collectionName}/records/${id}`;
  const patch = (record, fields) => stage.daemon.api('PATCH', path(record), fields, { deadline: 60_000 });
  const isGood = ({ status }) => status === 200 || status === 204;
  const isLost = ({ status, text }) => (status === 409 || status === 400) && /Others keep changing/.test(text);
  const users = (count, of = role) => Promise.all(times(count, () => stage.createUser(`user-${(made += 1)}`, account, of)));
  const keys = async () => (await stage.api('GET', `/api/v1/accounts/${account.id}/signing-keys`)).signing_keys;

  const pushed = () => heard.pushes.map((jwt) => claimsOf(jwt)).filter(({ sub }) => sub === account.public_key);

  /** The claims that the server holds once all is proven; they must say what the rows say. */
  async function lastClaims() {
    const record = await stage.proven(account, { deadline: 30_000 });
    const stored = await stage.servers[0].stored(account.public_key);
    assert.equal(stored, record.jwt);
    const claims = claimsOf(stored);
    const { nats } = claims;
    assert.deepEqual(nats.revocations ?? {}, record.revocations, 'revocations');
    assert.deepEqual(signingKeysIn(claims).sort(), (await keys()).map((key) => key.public_key).sort(), 'signing keys');
    assert.equal(nats.limits.conn ?? 0, record.max_connections);
    assert.equal(nats.limits.subs ?? 0, record.max_subscriptions);
    assert.equal(nats.limits.payload ?? 0, record.max_payload);
    for (const key of (nats.signing_keys ?? []).filter(({ template }) => template)) {
      const { publish_permissions: allow } = await stage.read({ collectionName: 'nats_roles', id: key.role });
      assert.deepEqual(key.template.pub.allow, [...allow].sort(), `the scope of role ${key.role}`);
    }
    return nats;
  }

  /** The creds are dead by what the JWT says. */
  function isDead(nats, creds) {
    const { sub, iat, iss } = claimsOf(jwtOf(creds));
    const revoked = Math.max(nats.revocations?.[sub] ?? 0, nats.revocations?.['*'] ?? 0);
    return revoked >= iat || !signingKeysIn({ nats }).includes(iss);
  }

  function assertIncreasing() {
    const iats = pushed().map(({ iat }) => iat);
    for (let i = 1; i < iats.length; i += 1) assert.ok(iats[i] >= iats[i - 1], `push ${i} is older than the one before: ${iats}`);
    const byIat = new Map();
    for (const claims of pushed()) {
      assert.equal(byIat.get(claims.iat) ?? claims.jti, claims.jti, 'two JWTs of one second');
      byIat.set(claims.iat, claims.jti);
    }
    return byIat.size;
  }

  /** Sends all at once: what was refused lost its races, and is little. */
  async function race(t, what, writes, most = 3) {
    const since = performance.now();
    const answers = await Promise.all(writes.map((write) => write()));
    const conflicts = answers.filter(isLost);
    const strange = answers.filter((answer) => !isGood(answer) && !isLost(answer));
    assert.deepEqual(strange.map(({ status, text }) => `${status} ${text}`), []);
    t.diagnostic(`${what}: ${writes.length} at once in ${Math.round(performance.now() - since)} ms, ${conflicts.length} told that others keep changing it`);
    assert.ok(conflicts.length <= most, `${conflicts.length} of ${writes.length} lost their races: ${conflicts[0]?.text}`);
    return answers;
  }

  test('an account whose every push is heard', async () => {
    account = await stage.createAccount('acme');
    role = await stage.createRole('sensor', ['data.>'], ['data.>']);
    await users(1);
    await stage.proven(account);
    heard = await stage.tap();
    heard.pushes.length = 0;
  });

  test('revocations of all kinds: none is lost', async (t) => {
    const acts = {
      suspended: (user) => patch(user, { active: false }),
      revoked: (user) => patch(user, { revoke: true }),
      regenerated: (user) => patch(user, { regenerate: true }),
      deleted: (user) => stage.daemon.api('DELETE', path(user)),
    };
    const list = await users(MANY);
    await stage.proven(account);
    const kinds = Object.keys(acts);
    const answers = await race(t, kinds.join(', '), list.map((user, i) => () => acts[kinds[i % kinds.length]](user)));
    const nats = await lastClaims();
    list.forEach((user, i) => {
      const dead = isDead(nats, user.creds_file);
      assert.equal(dead, isGood(answers[i]), `${kinds[i % kinds.length]} ${i}: ${answers[i].status}`);
    });
    for (const [i, user] of list.slice(0, 8).entries()) if (isGood(answers[i])) await stage.assertRefused(user.creds_file);
    t.diagnostic(`${assertIncreasing()} JWTs pushed`);
  });

  test('revocations, role edits, account edits, new users and rotations at once', async (t) => {
    const list = await users(MANY);
    await stage.proven(account);
    const gone = list.map((user, i) => () => patch(user, i % 2 === 0 ? { active: false } : { revoke: true }));
    const edits = times(MANY, (i) => () => patch(role, { publish_permissions: ['data.>', `extra.${i}`] }));
    const limits = times(MANY, (i) => () => patch(account, i % 5 === 0 ? { add_signing_key: true } : { max_payload: 1000 + i }));
    const births = times(MANY, (i) => () => stage.daemon.api('POST', '/api/collections/nats_users/records', {
      nats_username: `born-${i}`, account_id: account.id, role_id: role.id,
    }, { deadline: 60_000 }));
    const rotations = times(3, () => () => patch(account, { rotate_keys: true }));
    const kinds = { gone, edits, limits, births, rotations };
    const all = Object.entries(kinds).flatMap(([kind, writes]) => writes.map((write, i) => ({ kind, i, write })));
    all.sort((a, b) => a.i - b.i);
    const answers = await race(t, 'writes of five kinds', all.map(({ write }) => write), 5);
    for (const kind of Object.keys(kinds)) {
      const lost = all.filter((one, i) => one.kind === kind && isLost(answers[i])).length;
      t.diagnostic(`${kind}: ${lost} of ${kinds[kind].length} told that others keep changing it`);
    }
    const nats = await lastClaims();
    all.forEach(({ kind, i }, n) => {
      if (kind === 'gone' && isGood(answers[n])) assert.ok(isDead(nats, list[i].creds_file), `the revocation of ${i} is lost`);
    });
    const { publish_permissions: allow } = await stage.read(role);
    const last = all.map(({ kind, i }, n) => kind === 'edits' && isGood(answers[n]) && `extra.${i}`);
    assert.ok(last.includes(allow.at(-1)), 'the role holds one of the acknowledged');
    // A user who was made or revoked meanwhile works with the creds that it has now; a suspended one has none.
    for (const [n, { kind, i }] of all.entries()) {
      if (kind !== 'births' || i > 5 || !isGood(answers[n])) continue;
      const client = await stage.connect(await stage.creds(answers[n].body));
      await client.close();
    }
    t.diagnostic(`${assertIncreasing()} JWTs pushed so far`);
  });

  test('writes to the same row: most succeed, and the last one that was made stands', async (t) => {
    const [user] = await users(1);
    const own = times(MANY, (i) => () => patch(user, { publish_permissions: ['data.>', `own.${i}`] }));
    const answers = await race(t, 'one user', own);
    const now = await stage.read(user);
    assert.ok(answers.some((answer) => isGood(answer) && answer.body.publish_permissions.at(-1) === now.publish_permissions.at(-1)));
    const limits = await race(t, 'one account', times(MANY, (i) => () => patch(account, { max_connections: 1000 + i })));
    const { max_connections: max } = await stage.read(account);
    assert.ok(limits.some((answer) => isGood(answer) && answer.body.max_connections === max));
    const edits = await race(t, 'one role', times(MANY, (i) => () => patch(role, { publish_permissions: ['data.>', `e.${i}`] })));
    assert.ok(edits.some(isGood));
    await lastClaims();
    const fresh = claimsOf(jwtOf(await stage.creds(user)));
    assert.deepEqual(fresh.nats.pub.allow, [...new Set([...now.publish_permissions, ...(await stage.read(role)).publish_permissions])].sort());
  });

  test('suspending and activating the same users over and over: the last word holds', async (t) => {
    const list = await users(10);
    await stage.proven(account);
    const flips = times(MANY, (i) => () => patch(list[i % list.length], { active: i % 3 === 0 }));
    await race(t, 'ten users, five writes each', flips);
    const nats = await lastClaims();
    for (const user of list) {
      const { active } = await stage.read(user);
      assert.equal(isDead(nats, user.creds_file), !active, user.nats_username);
    }
  });

  test('each JWT that was pushed is newer than the one before, and the database is sound', async (t) => {
    t.diagnostic(`${assertIncreasing()} JWTs in ${pushed().length} pushes`);
    await until('the last one was heard', () => heard.pushes.length > 0);
    await stage.stopDaemon(); // checks the database
    await checkDatabase(stage.data);
  });
});

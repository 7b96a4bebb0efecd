// A device renews its JWT with nothing but its key: a nonce of the server, signed by it.
import assert from 'node:assert/strict';
import { decode } from '@nats-io/jwt';
import { createUser, fromSeed } from '@nats-io/nkeys';
import { jwtAuthenticator } from '@nats-io/transport-node';
import { until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const text = new TextEncoder();
const anybody = { token: null };

onStage('renewal by the own key', {}, (stage, test) => {
  let account, role, user, key, expired;

  const post = (path, body) => stage.daemon.api('POST', path, body, anybody);
  const claims = (jwt) => decode(jwt);
  const keyOf = (creds) => fromSeed(text.encode(/^(SU\w+)$/m.exec(creds)[1]));

  async function nonceFor(publicKey) {
    const { status, body, text: answer } = await post('/api/v1/creds/nonce', { public_key: publicKey });
    assert.equal(status, 200, answer);
    return body;
  }

  async function signed(pair, prefix = 'natsid-renew:') {
    const { nonce } = await nonceFor(pair.getPublicKey());
    const signature = Buffer.from(pair.sign(text.encode(prefix + nonce))).toString('base64url');
    return { public_key: pair.getPublicKey(), nonce, signature };
  }

  const renew = (request) => post('/api/v1/creds/renew', request);

  async function renewed(pair) {
    const { status, body, text: answer } = await renew(await signed(pair));
    assert.equal(status, 200, answer);
    return body;
  }

  const withJwt = (jwt) => ({ authenticator: jwtAuthenticator(jwt, text.encode(new TextDecoder().decode(key.getSeed()))) });

  test('a JWT that lives for two seconds ends, and is renewed by its key', async () => {
    account = await stage.createAccount('fleet');
    role = await stage.createRole('device', ['>'], ['>'], { default_lifetime: 2 });
    user = await stage.createUser('device-1', account, role);
    await stage.proven(account);
    const creds = await stage.creds(user);
    key = keyOf(creds);
    expired = creds;
    const old = claims(/^(eyJ\S+)$/m.exec(creds)[1]);
    assert.equal(old.exp, old.iat + 2);
    await until('it has ended', () => Date.now() / 1000 > old.exp + 1);
    await stage.assertRefused(expired);

    await stage.change(role, { default_lifetime: 3600 });
    const { sign } = await nonceFor(key.getPublicKey());
    assert.equal(sign, 'natsid-renew:');
    const { jwt, expires_at: ends } = await renewed(key);
    const fresh = claims(jwt);
    assert.equal(fresh.sub, old.sub);
    assert.ok(fresh.iat > old.iat);
    assert.equal(fresh.exp, fresh.iat + 3600);
    assert.equal(Date.parse(ends.replace(' ', 'T')), fresh.exp * 1000);
    const client = await stage.connect(creds, withJwt(jwt));
    await client.reaches(client, 'any.thing');
  });

  /** Until the last JWT is of a second that is over: only then there is a newer one. */
  const nextSecond = (jwt) => until('the next second', () => Date.now() / 1000 > claims(jwt).iat + 1);

  test('a renewal before the end gives a later end, and the older JWT stays good', async () => {
    const first = await renewed(key);
    await nextSecond(first.jwt);
    const second = await renewed(key);
    assert.ok(claims(second.jwt).exp > claims(first.jwt).exp);
    for (const { jwt } of [first, second]) await stage.connect('', withJwt(jwt));
  });

  test('it works when the key that signed the old JWT is gone', async () => {
    const before = await renewed(key);
    await stage.change(account, { rotate_keys: true });
    await stage.proven(account);
    const after = await renewed(key);
    assert.notEqual(claims(after.jwt).iss, claims(before.jwt).iss);
    const client = await stage.connect('', withJwt(after.jwt));
    await client.reaches(client, 'any.thing');
  });

  test('a nonce is used up by the renewal that it was for', async () => {
    await nextSecond((await renewed(key)).jwt);
    const request = await signed(key);
    assert.equal((await renew(request)).status, 200);
    const again = await renew(request);
    assert.equal(again.status, 401);
    assert.match(again.body.detail, /used up or too old/);
  });

  test('of six with one nonce, one gets a new JWT', async () => {
    await nextSecond((await renewed(key)).jwt);
    const request = await signed(key);
    const statuses = (await Promise.all(Array.from({ length: 6 }, () => renew(request)))).map(({ status }) => status);
    assert.deepEqual(statuses.sort(), [200, 401, 401, 401, 401, 401]);
    await stage.stopDaemon(); // the failures count as guesses
    await stage.startDaemon();
  });

  test('other keys, other signatures and suspended users get nothing', async () => {
    const stranger = createUser();
    const good = await signed(key);
    const cases = [
      [await signed(stranger), 401, /not this key's/],
      [await signed(key, ''), 401, /not this key's/],
      [{ ...good, public_key: stranger.getPublicKey() }, 401, /not this key's/],
      [{ ...good, nonce: good.nonce.slice(0, -2) + 'AA' }, 401, /not this key's/],
      [{ ...good, signature: 'x' }, 401, /not this key's/],
      [{ ...good, public_key: account.public_key }, 400, /public_key/],
      [{ nonce: good.nonce, signature: good.signature }, 400, /public_key/],
    ];
    for (const [request, expected, words] of cases) {
      const { status, text: answer } = await renew(request);
      assert.equal(status, expected, answer);
      assert.match(answer, words);
    }
    await stage.change(user, { active: false });
    const suspended = await renew(await signed(key));
    assert.equal(suspended.status, 409);
    assert.match(suspended.body.detail, /suspended/);
    await stage.change(user, { active: true });
  });

  test('a user who keeps its own key renews as well, and a revoked key never again', async () => {
    const own = createUser();
    const mine = await stage.createUser('own-key', account, role, { public_key: own.getPublicKey() });
    assert.equal(mine.own_key, true);
    assert.doesNotMatch(await stage.creds(mine), /SEED/);
    assert.equal(claims((await renewed(own)).jwt).sub, own.getPublicKey());
    await stage.change(mine, { revoke: true, public_key: createUser().getPublicKey() });
    assert.equal((await renew(await signed(own))).status, 401);
  });

  test('an end that was set is kept', async () => {
    const ends = new Date(Date.now() + 10_000);
    await stage.change(user, { jwt_expires_at: ends.toISOString().replace('T', ' ') });
    const { jwt } = await renewed(key);
    assert.equal(claims(jwt).exp, Math.floor(ends / 1000));
    await until('it has come', () => Date.now() > ends.getTime() + 1000, { deadline: 20_000 });
    const late = await renew(await signed(key));
    assert.equal(late.status, 409);
    assert.match(late.body.detail, /expired at .*; set jwt_expires_at/);
  });

  test('who ends soon is listed, the soonest first, page by page', async () => {
    const list = (query) => stage.api('GET', `/api/v1/expiring?${query}`);
    await stage.change(user, { jwt_expires_at: '' });
    const names = [];
    for (const [name, days] of [['late', 40], ['soon', 3], ['sooner', 2]]) {
      const ends = new Date(Date.now() + days * 86_400_000).toISOString().replace('T', ' ');
      await stage.createUser(name, account, role, { jwt_expires_at: ends });
    }
    const { items, next } = await list('within=30d');
    names.push(...items.map(({ nats_username: name }) => name));
    assert.deepEqual(names.filter((name) => !['device-1', 'own-key'].includes(name)), ['sooner', 'soon']);
    assert.equal(next, '');
    assert.equal(items[0].account_name, 'fleet');
    const moments = items.map(({ expires_at: at }) => at);
    assert.deepEqual(moments, [...moments].sort());
    const second = await list(`within=30d&after=${Math.floor(Date.parse(items.at(-2).expires_at.replace(' ', 'T')) / 1000)}.9999`);
    assert.deepEqual(second.items.map(({ nats_username: name }) => name), ['soon']);
    for (const query of ['', 'within=30', 'within=0d', 'within=99999d', 'within=1d&after=x', 'within=d']) {
      const { status, text: answer } = await stage.daemon.api('GET', `/api/v1/expiring?${query}`);
      assert.equal(status, 400, `${query} ${answer}`);
    }
    assert.equal((await stage.daemon.api('GET', '/api/v1/expiring?within=1d', undefined, anybody)).status, 401);
  });
});

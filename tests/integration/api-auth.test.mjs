// Logging in, keeping a session and losing it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import PocketBase from 'pocketbase';
import { request, requestFrom, startNatsid, superuser } from './lib/natsid.mjs';

let daemon;
before(async () => { daemon = await startNatsid(); });
after(() => daemon?.stop());

const auth = (collection, verb) => `/api/collections/${collection}/${verb}`;
const login = (body, collection = '_superusers', query = '') =>
  daemon.api('POST', auth(collection, 'auth-with-password') + query, body, { token: null });
const accounts = '/api/collections/nats_accounts/records';

test('a login answers with the record and a token, and nothing secret', async () => {
  const answer = await login({ identity: superuser.email, password: superuser.password });
  assert.equal(answer.status, 200);
  assert.deepEqual(Object.keys(answer.body).sort(), ['record', 'token']);
  assert.deepEqual(Object.keys(answer.body.record).sort(), ['collectionId', 'collectionName', 'created', 'email', 'emailVisibility', 'id', 'updated', 'verified']);
  assert.equal(answer.body.record.email, superuser.email);
  assert.equal(answer.body.record.verified, true);
  const claims = JSON.parse(Buffer.from(answer.body.token.split('.')[1], 'base64url'));
  assert.equal(claims.type, 'auth');
  assert.equal(claims.collectionId, 'pbc_3142635823');
  assert.equal(claims.id, answer.body.record.id);
  assert.ok(claims.exp > Date.now() / 1000);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
});

test('fields chooses parts of the answer', async () => {
  const body = { identity: superuser.email, password: superuser.password };
  assert.deepEqual(Object.keys((await login(body, '_superusers', '?fields=token')).body), ['token']);
  const { record, token } = (await login(body, '_superusers', '?fields=token,record.email')).body;
  assert.deepEqual(record, { email: superuser.email });
  assert.equal(typeof token, 'string');
});

test('an unknown e-mail and a wrong password are answered alike', async () => {
  const wrong = await login({ identity: superuser.email, password: 'not the password' });
  const unknown = await login({ identity: 'nobody@example.org', password: superuser.password });
  assert.equal(wrong.status, 400);
  assert.deepEqual(wrong.body, { data: {}, message: 'Failed to authenticate.', status: 400 });
  assert.equal(unknown.text, wrong.text);
});

for (const [what, body, field, code] of [
  ['no identity', { password: 'x' }, 'identity', 'validation_required'],
  ['an empty identity', { identity: '', password: 'x' }, 'identity', 'validation_required'],
  ['no password', { identity: 'x' }, 'password', 'validation_required'],
  ['a number as password', { identity: 'x', password: 5 }, 'password', 'validation_invalid_type'],
  ['null as identity', { identity: null, password: 'x' }, 'identity', 'validation_invalid_type'],
  ['an unknown key', { identity: 'x', password: 'x', passwort: 'y' }, 'passwort', 'validation_unknown_field'],
  ['another identity field', { identity: 'x', password: 'x', identityField: 'id' }, 'identityField', 'validation_invalid_value'],
]) {
  test(`a login with ${what} is refused and names the field`, async () => {
    const answer = await login(body);
    assert.equal(answer.status, 400);
    assert.deepEqual(Object.keys(answer.body.data), [field]);
    assert.equal(answer.body.data[field].code, code);
  });
}

test('collections without password login say so', async () => {
  const body = { identity: 'x', password: 'y' };
  const users = await login(body, 'nats_users');
  assert.equal(users.status, 403);
  assert.equal(users.body.message, 'The collection is not configured to allow password authentication.');
  for (const collection of ['nats_accounts', 'nothing']) {
    const answer = await login(body, collection);
    assert.equal(answer.status, 404);
    assert.equal(answer.body.message, 'Missing or invalid auth collection context.');
  }
});

test('auth-methods tells the client what there is', async () => {
  const pb = new PocketBase(daemon.url);
  const methods = await pb.collection('_superusers').listAuthMethods();
  assert.deepEqual(methods.password, { enabled: true, identityFields: ['email'] });
  assert.equal(methods.oauth2.enabled || methods.mfa.enabled || methods.otp.enabled, false);
  assert.equal((await pb.collection('nats_users').listAuthMethods()).password.enabled, false);
});

test('a token is refreshed', async () => {
  const pb = new PocketBase(daemon.url);
  await pb.collection('_superusers').authWithPassword(superuser.email, superuser.password);
  const { token, record } = await pb.collection('_superusers').authRefresh();
  assert.equal(record.email, superuser.email);
  assert.equal((await request(daemon.url, 'GET', accounts, undefined, { token })).status, 200);
});

test('a refresh needs a token, of that collection', async () => {
  const guest = await daemon.api('POST', auth('_superusers', 'auth-refresh'), undefined, { token: null });
  assert.equal(guest.status, 401);
  const other = await daemon.api('POST', auth('nats_users', 'auth-refresh'));
  assert.equal(other.status, 403);
  assert.match(other.body.message, /nats_users/);
  assert.equal((await daemon.api('POST', auth('nats_roles', 'auth-refresh'))).status, 404);
});

test('the token comes bare or after Bearer in any case', async () => {
  for (const prefix of ['', 'Bearer ', 'bearer ', 'BEARER  ']) {
    const answer = await request(daemon.url, 'GET', accounts, undefined, { token: prefix + daemon.token });
    assert.equal(answer.status, 200, prefix);
  }
  const twice = await request(daemon.url, 'GET', accounts, undefined, { token: `Bearer Bearer ${daemon.token}` });
  assert.equal(twice.status, 403);
});

test('a changed password ends the tokens made with the old one', async () => {
  const record = { email: 'second@example.org', password: 'first password', passwordConfirm: 'first password' };
  const made = await daemon.api('POST', '/api/collections/_superusers/records', record);
  assert.equal(made.status, 200, made.text);
  assert.doesNotMatch(made.text, /password|argon2/i);
  const { token } = (await login({ identity: record.email, password: record.password })).body;
  const path = `/api/collections/_superusers/records/${made.body.id}`;
  const asked = () => request(daemon.url, 'GET', path, undefined, { token });
  assert.equal((await asked()).status, 200);
  const changed = await daemon.api('PATCH', path, { password: 'other password', passwordConfirm: 'other password' });
  assert.equal(changed.status, 200, changed.text);
  assert.equal((await asked()).status, 403);
  assert.equal((await login({ identity: record.email, password: record.password })).status, 400);
  const fresh = (await login({ identity: record.email, password: 'other password' })).body.token;
  assert.equal((await request(daemon.url, 'GET', path, undefined, { token: fresh })).status, 200);

  assert.equal((await daemon.api('DELETE', path)).status, 204);
  assert.equal((await request(daemon.url, 'GET', path, undefined, { token: fresh })).status, 403);
});

test('the last superuser cannot be deleted', async () => {
  const list = await daemon.api('GET', '/api/collections/_superusers/records');
  assert.equal(list.body.totalItems, 1);
  const answer = await daemon.api('DELETE', `/api/collections/_superusers/records/${list.body.items[0].id}`);
  assert.equal(answer.status, 400);
  assert.match(answer.body.message, /only existing superuser/);
});

test('tokens outlive a restart, and mean nothing to another database', async () => {
  const first = await startNatsid();
  await first.stop({ keep: true });
  const second = await startNatsid({ dataDir: first.dataDir });
  const asked = (url, token) => request(url, 'GET', accounts, undefined, { token });
  assert.equal((await asked(second.url, first.token)).status, 200);
  assert.equal((await asked(daemon.url, first.token)).status, 403);
  assert.equal((await asked(second.url, daemon.token)).status, 403);
  await second.stop();
});

test('many guesses at once, from many addresses, do not keep others waiting', async () => {
  const guess = async (address) => {
    const fields = { identity: 'nobody@example.org', password: 'a guess' };
    return (await requestFrom(address, daemon.url, 'POST', auth('_superusers', 'auth-with-password'), fields)).status;
  };
  let open = 120;
  const guesses = Array.from({ length: open }, (_, i) => guess(`127.0.1.${1 + i % 30}`).finally(() => { open -= 1; }));
  assert.equal((await request(daemon.url, 'GET', '/api/health')).status, 200);
  assert.ok(open > 0, 'answered before all guesses were');
  const statuses = new Set(await Promise.all(guesses));
  assert.deepEqual([...statuses].sort(), [400, 503]);
});

// Last: it locks this address out of this daemon.
test('ten failed logins a minute are answered 429, the right password too', async () => {
  let answer;
  let failures = 0;
  do {
    answer = await login({ identity: 'nobody@example.org', password: `guess ${failures}` });
    failures += 1;
  } while (answer.status === 400 && failures < 20);
  assert.equal(answer.status, 429);
  assert.ok(failures <= 11, `${failures} guesses`);
  assert.equal(answer.body.status, 429);
  const right = await login({ identity: superuser.email, password: superuser.password });
  assert.equal(right.status, 429);
  assert.equal((await daemon.api('GET', accounts)).status, 200, 'sessions go on');
});

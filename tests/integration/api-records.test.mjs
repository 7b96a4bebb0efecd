// Records over HTTP, as PocketBase's own client sees them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import PocketBase from 'pocketbase';
import { startNatsid, superuser } from './lib/natsid.mjs';

let daemon;
let pb;
let account;
let role;

before(async () => {
  daemon = await startNatsid();
  pb = new PocketBase(daemon.url);
  pb.autoCancellation(false);
  await pb.collection('_superusers').authWithPassword(superuser.email, superuser.password);
  account = await pb.collection('nats_accounts').create({ name: 'acme' });
  role = await pb.collection('nats_roles').create({ name: 'sensors', publish_permissions: ['data.>'] });
});
after(() => daemon?.stop());

const newUser = (fields) =>
  pb.collection('nats_users').create({ account_id: account.id, role_id: role.id, ...fields });

const rejects = (promise, status, message) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.status, status);
    assert.match(error.response.message, message);
    return true;
  });

test('a login gives the record and a token that the client takes for a superuser', () => {
  assert.equal(pb.authStore.isValid, true);
  assert.equal(pb.authStore.isSuperuser, true);
  assert.equal(pb.authStore.record.email, superuser.email);
  assert.equal(pb.authStore.record.collectionName, '_superusers');
});

test('a created account has every field of its collection and no seed', () => {
  assert.match(account.id, /^[a-z0-9]{15}$/);
  assert.equal(account.collectionId, 'pbc_4029046258');
  assert.equal(account.collectionName, 'nats_accounts');
  assert.match(account.public_key, /^A[A-Z2-7]{55}$/);
  assert.match(account.signing_public_key, /^A[A-Z2-7]{55}$/);
  assert.deepEqual(account.signing_keys, [account.signing_public_key]);
  assert.equal(account.active, true);
  assert.equal(account.max_payload, -1);
  assert.equal(account.max_jetstream_disk_storage, 0);
  assert.equal(account.publish_status, 'pending');
  assert.match(account.created, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(account.updated, account.created);
  assert.doesNotMatch(JSON.stringify(account), /\bS[A-Z2-7]{57}\b/);
});

test('a role shows the lists that a creation left out', () => {
  assert.deepEqual(role.publish_permissions, ['data.>']);
  assert.deepEqual(role.subscribe_permissions, ['>', '_INBOX.>']);
  assert.deepEqual(role.publish_deny_permissions, []);
});

test('the answer to the creation of a user holds its JWT and creds, lists and views do not', async () => {
  const user = await newUser({ nats_username: 'with-creds' });
  assert.equal(user.jwt.split('.').length, 3);
  assert.match(user.creds_file, /-----BEGIN NATS USER JWT-----/);
  assert.match(user.creds_file, /-----BEGIN USER NKEY SEED-----\nSU[A-Z2-7]{56}\n/);
  assert.ok(user.creds_file.includes(user.jwt));
  const viewed = await pb.collection('nats_users').getOne(user.id);
  assert.deepEqual([viewed.jwt, viewed.creds_file], ['', '']);
  const { items } = await pb.collection('nats_users').getList(1, 50, { sort: '-created' });
  for (const item of items) assert.deepEqual([item.jwt, item.creds_file], ['', '']);
});

test('a view shows jwt and creds_file when fields names them, and the same ones each time', async () => {
  const user = await newUser({ nats_username: 'named-fields' });
  const named = await pb.collection('nats_users').getOne(user.id, { fields: 'id,jwt,creds_file' });
  assert.deepEqual(named, { id: user.id, jwt: user.jwt, creds_file: user.creds_file });
  const star = await pb.collection('nats_users').getOne(user.id, { fields: '*' });
  assert.equal(star.creds_file, '');
});

test('a list whose fields names jwt is refused and says what to use', async () => {
  await rejects(pb.collection('nats_users').getList(1, 5, { fields: 'id,jwt' }), 400, /users\/\{id\}\/creds/);
});

test('a creation whose fields leave the creds out mints none: issued_at stays empty', async () => {
  const user = await pb
    .collection('nats_users')
    .create({ account_id: account.id, role_id: role.id, nats_username: 'quiet' }, { fields: 'id,issued_at' });
  assert.deepEqual(Object.keys(user).sort(), ['id', 'issued_at']);
  assert.equal(user.issued_at, '');
  assert.equal((await pb.collection('nats_users').getOne(user.id)).issued_at, '');
  const loud = await newUser({ nats_username: 'loud' });
  assert.notEqual(loud.issued_at, '');
});

test('a suspended user is created, its creds are empty, and a view that names them says why', async () => {
  const user = await newUser({ nats_username: 'suspended', active: false });
  assert.equal(user.active, false);
  assert.deepEqual([user.jwt, user.creds_file], ['', '']);
  await rejects(pb.collection('nats_users').getOne(user.id, { fields: 'jwt' }), 400, /suspended/);
  assert.doesNotMatch(daemon.log(), /creds left out/, 'nothing went wrong');
});

test('password, hash, token key and issue time never leave, also not by name', async () => {
  const user = await newUser({
    nats_username: 'secretive',
    email: 'secretive@example.org',
    password: 'a long password',
    passwordConfirm: 'a long password',
  });
  const fields = 'password,passwordConfirm,password_hash,token_key,tokenKey,iat,seed';
  assert.deepEqual(await pb.collection('nats_users').getOne(user.id, { fields }), {});
  assert.equal('password' in user, false);
});

test('an update changes what it names and nothing else', async () => {
  const made = await pb.collection('nats_roles').create({ name: 'plain', max_payload: 10 });
  const updated = await pb.collection('nats_roles').update(made.id, { description: 'line\nline', max_payload: '20' });
  assert.equal(updated.description, 'line\nline');
  assert.equal(updated.max_payload, 20);
  assert.equal(updated.name, 'plain');
  assert.deepEqual(updated.publish_permissions, made.publish_permissions);
});

test('a record that is sent back whole is taken', async () => {
  const before = await pb.collection('nats_accounts').getOne(account.id);
  const sent = await pb.collection('nats_accounts').update(account.id, { ...before, expand: {}, seed: '' });
  assert.deepEqual(sent, before);
});

test('a client may choose the id of a new record', async () => {
  const id = 'chosenbyaclient';
  const made = await pb.collection('nats_roles').create({ id, name: 'chosen' });
  assert.equal(made.id, id);
  await rejects(pb.collection('nats_roles').create({ id, name: 'chosen too' }), 400, /Failed to create record/);
});

test('delete answers true, and then the record is gone', async () => {
  const made = await pb.collection('nats_roles').create({ name: 'short-lived' });
  assert.equal(await pb.collection('nats_roles').delete(made.id), true);
  await rejects(pb.collection('nats_roles').getOne(made.id), 404, /./);
  await rejects(pb.collection('nats_roles').delete(made.id), 404, /./);
  const other = await pb.collection('nats_roles').create({ name: 'short-lived' });
  const answer = await daemon.api('DELETE', `/api/collections/nats_roles/records/${other.id}`);
  assert.deepEqual([answer.status, answer.text], [204, '']);
});

test('deleting a role or an account that is in use is refused with the reason', async () => {
  await newUser({ nats_username: 'holds-both' });
  await rejects(pb.collection('nats_roles').delete(role.id), 400, /user/i);
  await rejects(pb.collection('nats_accounts').delete(account.id), 400, /user/i);
  assert.equal((await pb.collection('nats_roles').getOne(role.id)).id, role.id);
});

test('the operator can be read and not written', async () => {
  const { items } = await pb.collection('nats_system_operator').getList();
  assert.equal(items.length, 1);
  assert.match(items[0].public_key, /^O/);
  assert.doesNotMatch(JSON.stringify(items), /\bS[A-Z2-7]{57}\b/);
  await rejects(pb.collection('nats_system_operator').update(items[0].id, { name: 'x' }), 403, /operator/);
  await rejects(pb.collection('nats_system_operator').delete(items[0].id), 403, /operator/);
});

test('lists page, count and sort', async () => {
  for (let i = 0; i < 7; i += 1) await pb.collection('nats_accounts').create({ name: `page-${i}` });
  const all = await pb.collection('nats_accounts').getFullList({ sort: 'name' });
  const first = await pb.collection('nats_accounts').getList(1, 3, { sort: 'name' });
  const second = await pb.collection('nats_accounts').getList(2, 3, { sort: 'name' });
  assert.deepEqual([first.page, first.perPage, first.totalItems, first.totalPages], [1, 3, all.length, Math.ceil(all.length / 3)]);
  assert.deepEqual([...first.items, ...second.items].map((r) => r.name), all.slice(0, 6).map((r) => r.name));
  const reversed = await pb.collection('nats_accounts').getFullList({ sort: '-name' });
  assert.deepEqual(reversed.map((r) => r.name), all.map((r) => r.name).reverse());
  const past = await pb.collection('nats_accounts').getList(1000, 3);
  assert.deepEqual([past.items, past.page], [[], 1000]);
});

test('skipTotal answers -1 for both totals', async () => {
  const list = await pb.collection('nats_accounts').getList(1, 2, { skipTotal: true });
  assert.deepEqual([list.items.length, list.totalItems, list.totalPages], [2, -1, -1]);
});

test('page and perPage out of range become the nearest sensible value', async () => {
  const low = await daemon.api('GET', '/api/collections/nats_accounts/records?page=0&perPage=-1');
  assert.deepEqual([low.body.page, low.body.perPage], [1, 30]);
  const high = await daemon.api('GET', '/api/collections/nats_accounts/records?perPage=5000');
  assert.equal(high.body.perPage, 1000);
});

for (const [query, message] of [
  ['page=two', /"page" must be an integer/],
  ['perPage=1.5', /"perPage" must be an integer/],
  ['skipTotal=maybe', /"skipTotal" must be true or false/],
  ['sort=nothing', /no field "nothing" to sort by/],
  ['sort=token_key', /token_key/],
  ['filter=name%3D%22x%22', /"filter" is not supported/],
  ['expand=account_id', /"expand" is not supported/],
  ['fields=name%3Aexcerpt(3)', /Modifiers/],
  ['page=%zz', /"page" is malformed/],
]) {
  test(`a list with ${query} is refused and says why`, async () => {
    const answer = await daemon.api('GET', `/api/collections/nats_users/records?${query}`);
    assert.equal(answer.status, 400);
    assert.match(answer.body.message, message);
    assert.deepEqual(answer.body.data, {});
  });
}

test('a write that asks for expand is refused before anything is written', async () => {
  await rejects(pb.collection('nats_roles').create({ name: 'never' }, { expand: 'x' }), 400, /"expand"/);
  const names = (await pb.collection('nats_roles').getFullList({ fields: 'name' })).map((r) => r.name);
  assert.equal(names.includes('never'), false);
});

test('fields shows what it names', async () => {
  const list = await pb.collection('nats_roles').getList(1, 1, { fields: 'name,collectionName,nothing' });
  assert.deepEqual(Object.keys(list.items[0]).sort(), ['collectionName', 'name']);
});

test('a collection answers to its name in any case, its alias and its id', async () => {
  for (const name of ['nats_users', 'NATS_USERS', 'users', 'pbc_4097575383']) {
    const answer = await daemon.api('GET', `/api/collections/${name}/records?perPage=1`);
    assert.equal(answer.status, 200, name);
    assert.equal(answer.body.items[0].collectionName, 'nats_users');
  }
});

test('suspending a user and bringing it back leaves the JWT as it was', async () => {
  const user = await newUser({ nats_username: 'on-and-off' });
  const off = await pb.collection('nats_users').update(user.id, { active: false });
  assert.deepEqual([off.active, off.creds_file], [false, '']);
  await pb.collection('nats_users').update(user.id, { active: true });
  const again = await pb.collection('nats_users').getOne(user.id, { fields: 'jwt,creds_file' });
  assert.deepEqual(again, { jwt: user.jwt, creds_file: user.creds_file });
});

test('an update that makes the JWT anew shows it', async () => {
  const other = await pb.collection('nats_roles').create({ name: 'other-role' });
  const user = await newUser({ nats_username: 'moves' });
  const moved = await pb.collection('nats_users').update(user.id, { role_id: other.id });
  assert.equal(moved.role_id, other.id);
  assert.match(moved.creds_file, /BEGIN NATS USER JWT/);
  assert.notEqual(moved.jwt, user.jwt);
  const renamed = await pb.collection('nats_users').update(user.id, { full_name: 'Just a name' });
  assert.equal(renamed.jwt, '');
});

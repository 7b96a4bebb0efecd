// What looks like a mistake is refused, says what and where, and leaves nothing behind.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startNatsid } from './lib/natsid.mjs';

let daemon;
let account;
let role;
let user;

const records = (collection, id) => `/api/collections/${collection}/records${id ? `/${id}` : ''}`;

before(async () => {
  daemon = await startNatsid();
  const make = async (collection, body) => {
    const answer = await daemon.api('POST', records(collection), body);
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };
  account = await make('nats_accounts', { name: 'acme' });
  role = await make('nats_roles', { name: 'sensors', publish_permissions: ['data.>'] });
  user = await make('nats_users', {
    nats_username: 'probe',
    account_id: account.id,
    role_id: role.id,
    email: 'probe@example.org',
    password: 'a long password',
    passwordConfirm: 'a long password',
  });
});
after(() => daemon?.stop());

/** Every record with all that is derived of it: generations, keys, times. */
async function everything() {
  const state = {};
  for (const collection of ['nats_system_operator', 'nats_accounts', 'nats_roles', 'nats_users', '_superusers']) {
    const answer = await daemon.api('GET', `${records(collection)}?perPage=1000`);
    assert.equal(answer.status, 200, answer.text);
    state[collection] = answer.body;
  }
  return state;
}

/** Asks, and shows that the request was refused and changed nothing. */
async function refused(status, method, path, body, options) {
  const was = await everything();
  const answer = await daemon.api(method, path, body, options);
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.body.status, status);
  assert.deepEqual(await everything(), was);
  return answer.body;
}

// ---- the text of the body ------------------------------------------------------------

const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

for (const [what, body, message] of [
  ['JSON that ends early', '{"name": "x"', /line 1 column \d+/],
  ['a missing quote on line 3', '{\n "name": "x",\n description": ""}', /line 3 column \d+/],
  ['a trailing comma', '{"name":"x",}', /line 1 column \d+/],
  ['text after the object', '{"name":"x"} y', /line 1 column \d+/],
  ['two objects', '{"name":"x"}{"name":"y"}', /line 1 column \d+/],
  ['a duplicate key', '{"name":"x",\n "name":"y"}', /line 2 column 2: duplicate object key "name"/],
  ['a duplicate key in another spelling', '{"name":"x","n\\u0061me":"y"}', /duplicate object key/],
  ['a NUL in a string', '{"name":"x\\u0000y"}', /line 1 column \d+.*\\u0000|line 1 column \d+.*NUL/i],
  ['a raw NUL byte', bytes('{"name":"x', [0], 'y"}'), /line 1 column \d+/],
  ['a raw line break in a string', '{"name":"x\ny"}', /line 1 column \d+/],
  ['invalid UTF-8', bytes('{"name":"', [0xff], '"}'), /line 1 column \d+.*0xff/],
  ['an overlong UTF-8 form', bytes('{"name":"', [0xc0, 0xaf], '"}'), /line 1 column \d+/],
  ['a surrogate in UTF-8', bytes('{"name":"', [0xed, 0xa0, 0x80], '"}'), /line 1 column \d+/],
  ['half a surrogate pair', '{"name":"\\ud800"}', /line 1 column \d+/],
  ['an integer that has no room in 64 bits', '{"name":"x","max_payload":99999999999999999999}', /line 1 column \d+.*integer/],
  ['too many levels', `{"name":${'['.repeat(40)}${']'.repeat(40)}}`, /levels deep/],
  ['a list instead of an object', '[{"name":"x"}]', /must be a JSON object, not an array/],
  ['a lone value', '"name"', /line 1 column \d+/],
]) {
  test(`malformed body: ${what}`, async () => {
    const answer = await refused(400, 'POST', records('nats_accounts'), body);
    assert.match(answer.message, message);
    assert.deepEqual(answer.data, {});
  });
  test(`malformed body of an update: ${what}`, async () => {
    const answer = await refused(400, 'PATCH', records('nats_accounts', account.id), body);
    assert.match(answer.message, message);
  });
}

for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonp']) {
  test(`a body of type ${type} is refused`, async () => {
    const answer = await refused(400, 'POST', records('nats_accounts'), '{"name":"x"}', { headers: { 'Content-Type': type } });
    assert.match(answer.message, /Unsupported Content-Type/);
  });
}

test('a body over the limit is 413', async () => {
  const answer = await refused(413, 'POST', records('nats_accounts'), { name: 'x', description: 'y'.repeat(256 * 1024) });
  assert.match(answer.message, /larger than 262144 bytes/);
});

test('a login over its limit is 413', async () => {
  const answer = await refused(413, 'POST', '/api/collections/_superusers/auth-with-password', { identity: 'x'.repeat(5000), password: 'y' });
  assert.match(answer.message, /larger than 4096 bytes/);
});

// ---- fields --------------------------------------------------------------------------

/** A creation and an update with this body are refused because of the field. */
function badField(what, collection, body, field, code, message) {
  const valid = () => ({
    nats_accounts: { name: 'fresh' },
    nats_roles: { name: 'fresh' },
    nats_users: { nats_username: 'fresh', account_id: account.id, role_id: role.id },
  })[collection];
  const id = () => ({ nats_accounts: account, nats_roles: role, nats_users: user })[collection].id;
  for (const [verb, method] of [['create', 'POST'], ['update', 'PATCH']]) {
    test(`${verb}: ${what}`, async () => {
      const path = method === 'POST' ? records(collection) : records(collection, id());
      const sent = method === 'POST' ? { ...valid(), ...body } : body;
      const answer = await refused(400, method, path, sent);
      assert.equal(answer.message, `Failed to ${verb} record.`);
      assert.deepEqual(Object.keys(answer.data), [field]);
      assert.equal(answer.data[field].code, code);
      assert.match(answer.data[field].message, message);
    });
  }
}

const wrongType = 'validation_invalid_type';
badField('a number for a text', 'nats_accounts', { name: 5 }, 'name', wrongType, /Must be a string, not a number/);
badField('an object for a text', 'nats_roles', { description: {} }, 'description', wrongType, /not an object/);
badField('a word for a boolean', 'nats_accounts', { active: 'yes' }, 'active', wrongType, /true or false/);
badField('a number for a boolean', 'nats_accounts', { active: 0 }, 'active', wrongType, /true or false/);
badField('a text for a list', 'nats_roles', { publish_permissions: 'a.>' }, 'publish_permissions', wrongType, /list of strings, not a string/);
badField('a number in a list', 'nats_roles', { publish_permissions: ['a', 5] }, 'publish_permissions', wrongType, /Entry 1: .*not a number/);
badField('null for a list', 'nats_roles', { publish_deny_permissions: null }, 'publish_deny_permissions', wrongType, /\[\] means nothing/);
badField('null for a limit', 'nats_accounts', { max_payload: null }, 'max_payload', wrongType, /null/);
badField('a fraction', 'nats_accounts', { max_payload: 1.5 }, 'max_payload', 'validation_only_int_constraint', /integer/);
badField('a number with a unit', 'nats_accounts', { max_payload: '1k' }, 'max_payload', 'validation_not_a_number', /integer/);
badField('a limit below -1', 'nats_accounts', { max_payload: -2 }, 'max_payload', 'validation_min_number_constraint', /at least -1/);
badField('a limit over 32 bits', 'nats_accounts', { max_payload: 2 ** 31 }, 'max_payload', 'validation_max_number_constraint', /at most 2147483647/);
badField('a limit over 2^53', 'nats_accounts', { max_data: '9007199254740992' }, 'max_data', 'validation_max_number_constraint', /at most 9007199254740991/);
badField('a limit over 64 bits as text', 'nats_accounts', { max_data: '99999999999999999999' }, 'max_data', 'validation_max_number_constraint', /at most/);
badField('a negative time', 'nats_roles', { allow_response_ttl: -1 }, 'allow_response_ttl', 'validation_min_number_constraint', /at least 0/);
badField('a time of more than a day', 'nats_roles', { allow_response_ttl: 86401 }, 'allow_response_ttl', 'validation_max_number_constraint', /at most 86400/);
badField('an account name of 101 characters', 'nats_accounts', { name: 'ä'.repeat(101) }, 'name', 'validation_max_text_constraint', /at most 100 characters, not 101/);
badField('a user name of 101 characters', 'nats_users', { nats_username: 'x'.repeat(101) }, 'nats_username', 'validation_max_text_constraint', /at most 100/);
badField('a description of 501 characters', 'nats_roles', { description: 'x'.repeat(501) }, 'description', 'validation_max_text_constraint', /at most 500/);
badField('an empty name', 'nats_accounts', { name: '' }, 'name', 'validation_required', /blank/);
badField('a line break in a name', 'nats_accounts', { name: 'a\nb' }, 'name', 'validation_invalid_format', /control characters/);
badField('an escape sequence in a name', 'nats_users', { nats_username: 'a\u001b[2J' }, 'nats_username', 'validation_invalid_format', /control characters/);
badField('an e-mail without a domain', 'nats_users', { email: 'nobody@' }, 'email', 'validation_is_email', /email/);

const badSubject = (subject, message) =>
  badField(`the subject ${JSON.stringify(subject)}`, 'nats_roles', { publish_permissions: ['fine.>', subject] }, 'publish_permissions', 'validation_invalid_subject', message);
badSubject('a..b', /Entry 1: empty token at position 2/);
badSubject('.a', /Entry 1: empty token at position 1/);
badSubject('a.', /Entry 1: empty token at position 2/);
badSubject('>.a', /Entry 1: ">" at position 1/);
badSubject('a.>.b', /Entry 1: ">" at position 2/);
badSubject('a b', /Entry 1: space in the token at position 1/);
badSubject('a.b\u00a0c', /Entry 1: space in the token at position 2/);
badSubject('a.b\tc', /Entry 1: control character in the token at position 2/);
badSubject('', /Entry 1: .*empty/);
badSubject('x'.repeat(257), /Entry 1: longer than 256 bytes/);
badField('a queue without a name', 'nats_roles', { subscribe_permissions: ['a '] }, 'subscribe_permissions', 'validation_invalid_subject', /Entry 0/);
badField('257 subjects', 'nats_roles', { publish_permissions: Array.from({ length: 257 }, (_, i) => `s.${i}`) }, 'publish_permissions', 'validation_too_many_values', /at most 256 entries, not 257/);

badField('an account that does not exist', 'nats_users', { account_id: 'aaaaaaaaaaaaaaa' }, 'account_id', 'validation_missing_rel_records', /no account with this id/);
badField('a role that does not exist', 'nats_users', { role_id: 'aaaaaaaaaaaaaaa' }, 'role_id', 'validation_missing_rel_records', /no role with this id/);
badField('a relation that is no id', 'nats_users', { role_id: "' OR 1=1 --" }, 'role_id', 'validation_missing_rel_records', /no role with this id/);
badField('a relation that is too long', 'nats_users', { account_id: 'a'.repeat(16) }, 'account_id', 'validation_missing_rel_records', /no account with this id/);
badField('a list for a relation', 'nats_users', { account_id: [] }, 'account_id', wrongType, /id of a record/);

const unknown = 'validation_unknown_field';
badField('a misspelt deny list', 'nats_roles', { publish_deny_permission: ['a'] }, 'publish_deny_permission', unknown, /did you mean "publish_deny_permissions"/);
badField('a field in camel case', 'nats_accounts', { maxPayload: 5 }, 'maxPayload', unknown, /did you mean "max_payload"/);
badField('a field of a later version', 'nats_users', { account_manager: true }, 'account_manager', unknown, /Unknown field/);
badField('an internal field', 'nats_users', { password_hash: 'x' }, 'password_hash', unknown, /Unknown field/);
badField('the mark of the system account', 'nats_accounts', { is_system: true }, 'is_system', unknown, /Unknown field/);
badField('a modifier', 'nats_accounts', { 'max_payload+': 5 }, 'max_payload+', unknown, /Modifiers are not supported/);

badField('a short password', 'nats_users', { password: 'short', passwordConfirm: 'short' }, 'password', 'validation_min_text_constraint', /at least 8/);
badField('passwords that differ', 'nats_users', { email: 'x@example.org', password: 'a long password', passwordConfirm: 'another password' }, 'passwordConfirm', 'validation_values_mismatch', /match/);

test('all that is wrong with the types is told at once', async () => {
  const answer = await refused(400, 'POST', records('nats_accounts'), { name: 1, active: 'no', max_data: 'x', what: 1 });
  assert.deepEqual(Object.keys(answer.data).sort(), ['active', 'max_data', 'name', 'what']);
});

test('all that is wrong with the values is told at once', async () => {
  const answer = await refused(400, 'POST', records('nats_accounts'), { name: '', max_payload: -5, max_data: -5 });
  assert.deepEqual(Object.keys(answer.data).sort(), ['max_data', 'max_payload', 'name']);
});

test('an empty body of a creation lacks what is required', async () => {
  const answer = await refused(400, 'POST', records('nats_users'), {});
  assert.equal(answer.data.nats_username.code, 'validation_required');
  assert.equal(answer.data.account_id.code, 'validation_required');
});

test('no body at all is an empty one', async () => {
  const answer = await refused(400, 'POST', records('nats_accounts'));
  assert.equal(answer.data.name.code, 'validation_required');
});

// ---- duplicates and ids --------------------------------------------------------------

for (const [what, collection, body, field] of [
  ['account name', 'nats_accounts', () => ({ name: 'acme' }), 'name'],
  ['role name', 'nats_roles', () => ({ name: 'sensors' }), 'name'],
  ['user name in an account', 'nats_users', () => ({ nats_username: 'probe', account_id: account.id, role_id: role.id }), 'nats_username'],
  ['e-mail', 'nats_users', () => ({ nats_username: 'other', account_id: account.id, role_id: role.id, email: 'probe@example.org', password: 'a long password', passwordConfirm: 'a long password' }), 'email'],
  ['id', 'nats_accounts', () => ({ id: account.id, name: 'another' }), 'id'],
]) {
  test(`a duplicate ${what} is refused`, async () => {
    const answer = await refused(400, 'POST', records(collection), body());
    assert.deepEqual(Object.keys(answer.data), [field]);
    assert.equal(answer.data[field].code, 'validation_not_unique');
  });
}

test('the id of a record does not change', async () => {
  const answer = await refused(400, 'PATCH', records('nats_accounts', account.id), { id: 'bbbbbbbbbbbbbbb' });
  assert.equal(answer.data.id.code, 'validation_pk_change');
});

for (const id of ['short', 'UPPERCASELETTER', 'with-dash-15-ch', 'a'.repeat(16)]) {
  test(`a new record does not get the id ${id}`, async () => {
    const answer = await refused(400, 'POST', records('nats_accounts'), { id, name: 'fresh' });
    assert.equal(answer.data.id.code, 'validation_invalid_format');
  });
}

// ---- routes and tokens ---------------------------------------------------------------

for (const [method, path] of [
  ['GET', '/api/nothing'],
  ['GET', '/api/collections'],
  ['GET', '/nothing'],
  ['GET', '/api/health/'],
  ['GET', '/api/collections/nats_accounts/records/'],
  ['PUT', '/api/collections/nats_accounts/records'],
  ['DELETE', '/api/collections/nats_accounts/records'],
  ['POST', '/api/collections/nats_accounts/records/aaaaaaaaaaaaaaa'],
]) {
  test(`${method} ${path} is 404`, async () => {
    const answer = await refused(404, method, path, method === 'GET' ? undefined : { name: 'x' });
    assert.deepEqual(answer, { data: {}, message: "The requested resource wasn't found.", status: 404 });
  });
}

test('an unknown collection is 404', async () => {
  const answer = await refused(404, 'POST', records('nats_nothing'), { name: 'x' });
  assert.equal(answer.message, 'Missing collection context.');
});

for (const method of ['GET', 'PATCH', 'DELETE']) {
  for (const id of ['aaaaaaaaaaaaaaa', 'x', "'%20OR%201=1--", '%F0%9F%98%80']) {
    test(`${method} of the record ${id} is 404`, async () => {
      await refused(404, method, records('nats_accounts', id), method === 'PATCH' ? { name: 'x' } : undefined);
    });
  }
}

const tamper = (token) => {
  const [head, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  return { head, claims, signature };
};
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

for (const [what, make] of [
  ['none', () => null],
  ['garbage', () => 'garbage'],
  ['of another scheme', (token) => `Basic ${token}`],
  ['cut short', (token) => token.slice(0, -3)],
  ['without a signature', (token) => `${token.split('.').slice(0, 2).join('.')}.`],
  ['with the algorithm none', (token) => `${encode({ alg: 'none', typ: 'JWT' })}.${token.split('.')[1]}.`],
  ['with a later expiry', (token) => {
    const { head, claims, signature } = tamper(token);
    return `${head}.${encode({ ...claims, exp: claims.exp + 1 })}.${signature}`;
  }],
  ['of another record', (token) => {
    const { head, claims, signature } = tamper(token);
    return `${head}.${encode({ ...claims, id: 'aaaaaaaaaaaaaaa' })}.${signature}`;
  }],
  ['of 8 kB', () => `${'x'.repeat(8000)}`],
]) {
  test(`a token ${what} makes a guest, who may neither read nor write`, async () => {
    const options = { token: make(daemon.token) };
    for (const [method, path, body] of [
      ['GET', records('nats_accounts')],
      ['GET', records('nats_accounts', account.id)],
      ['POST', records('nats_accounts'), { name: 'fresh' }],
      ['POST', records('nats_accounts'), '{malformed'],
      ['PATCH', records('nats_accounts', account.id), { name: 'fresh' }],
      ['DELETE', records('nats_accounts', account.id)],
    ]) {
      const answer = await refused(403, method, path, body, options);
      assert.equal(answer.message, 'Only superusers can perform this action.');
    }
    for (const path of ['/api/v1/operator.jwt', '/api/v1/nats.conf', `/api/v1/users/${user.id}/creds`]) {
      const answer = await refused(401, 'GET', path, undefined, options);
      assert.equal(answer.code, 'unauthenticated');
    }
  });
}

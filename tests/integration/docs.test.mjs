// What docs/api.md and docs/cli.md list is what there is: fields with their types, defaults and limits, routes, options.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { quoted, readDoc, rows, section } from './lib/docs.mjs';
import { natsid, startNatsid, superuser } from './lib/natsid.mjs';
import { root } from './lib/processes.mjs';

const ofEachRecord = ['id', 'created', 'updated', 'collectionId', 'collectionName'];
const readOnly = ['nats_publish_queue', 'nats_system_operator']; // nobody writes them
const writeOnly = ['password', 'passwordConfirm']; // the only ones that no answer shows

/** {name, type, initial, range, max, isNullable, choices} of each row of the collection's table. */
async function fieldsOf(collection) {
  const table = rows(section(await readDoc('docs/api.md'), collection)).filter((cells) => cells.length === 4);
  return table.map(([name, type, initial]) => ({
    name: quoted(name)[0],
    type,
    initial,
    range: /^integer, (-?\d+) to (\d+)/.exec(type)?.slice(1).map(Number),
    max: Number(/^(?:text|list), (\d+)/.exec(type)?.[1] ?? 0),
    isNullable: type.endsWith(', or null'),
    choices: type.startsWith('`') ? quoted(type).map((text) => JSON.parse(text)) : null,
    isWritable: !['read only', 'minted'].includes(initial),
  }));
}

describe('docs/api.md', () => {
  let daemon;
  let least; // what a creation must have
  const records = {};

  const path = (collection, id = '') => `/api/collections/${collection}/records${id && `/${id}`}`;
  async function create(collection, fields) {
    const { status, body, text } = await daemon.api('POST', path(collection), fields);
    assert.equal(status, 200, text);
    return body;
  }

  before(async () => {
    daemon = await startNatsid();
    const account = await create('nats_accounts', { name: 'docs' });
    const other = await create('nats_accounts', { name: 'other' });
    const role = await create('nats_roles', { name: 'docs' });
    const shared = { name: 'docs', subject: 'docs.>', type: 'service' };
    least = {
      nats_accounts: { name: 'more' },
      nats_roles: { name: 'more' },
      nats_users: { nats_username: 'docs', account_id: account.id, role_id: role.id },
      nats_account_exports: { account_id: account.id, ...shared },
      nats_account_imports: { account_id: other.id, account: account.public_key, ...shared },
      _superusers: { email: 'more@example.org', password: superuser.password, passwordConfirm: superuser.password },
    };
    for (const [name, fields] of Object.entries(least)) records[name] = await create(name, fields);
    records.nats_publish_queue = (await daemon.api('GET', path('nats_publish_queue'))).body.items[0];
    records.nats_system_operator = (await daemon.api('GET', path('nats_system_operator'))).body.items[0];
  });
  after(() => daemon.stop());

  /** What the API says against the field with that value: undefined when it is nothing. Nothing is written. */
  async function violation(collection, name, value) {
    const { body } = await daemon.api('PATCH', `${path(collection, records[collection].id)}?dry_run=1`, { [name]: value });
    return body.data?.[name];
  }

  async function assertRefused(collection, name, value, code) {
    assert.equal((await violation(collection, name, value))?.code, code, `${name}: ${JSON.stringify(value).slice(0, 40)}`);
  }

  const collections = ['nats_accounts', 'nats_roles', 'nats_users', 'nats_account_exports', 'nats_account_imports',
    'nats_publish_queue', 'nats_system_operator', '_superusers'];
  for (const collection of collections) {
    test(`${collection}: the fields are those of the API, in their order`, async () => {
      const fields = await fieldsOf(collection);
      const shown = Object.keys(records[collection]).filter((name) => !ofEachRecord.includes(name));
      assert.deepEqual(fields.map(({ name }) => name).filter((name) => !writeOnly.includes(name)), shown);
    });

    if (readOnly.includes(collection)) continue;

    test(`${collection}: what a creation gets that leaves a field out`, async () => {
      const triggers = { bool: false, text: '' };
      for (const { name, type, initial } of await fieldsOf(collection)) {
        const value = records[collection][name];
        if (initial.startsWith('`')) assert.deepEqual(value, JSON.parse(quoted(initial)[0]), name);
        if (initial === 'trigger') assert.equal(value, triggers[type.split(',')[0]], name);
        if (initial === 'write only') assert.equal(value, undefined, name);
      }
    });

    test(`${collection}: what is required`, async () => {
      const stated = (await fieldsOf(collection)).filter(({ initial }) => ['required', 'at creation', 'the default role'].includes(initial));
      assert.deepEqual(stated.map(({ name }) => name).filter((name) => !(name in least[collection])), []);
      for (const { name } of stated) {
        const { [name]: without, ...rest } = least[collection];
        const { body } = await daemon.api('POST', `${path(collection)}?dry_run=1`, rest);
        assert.equal(body.data?.[name]?.code, 'validation_required', `${name} ${without}`);
      }
    });

    test(`${collection}: what may be written, and of what type`, async () => {
      for (const { name, type, initial, isWritable, isNullable } of await fieldsOf(collection)) {
        const found = await violation(collection, name, { no: ['such'] });
        assert.equal(found !== undefined, isWritable, `${name}: ${JSON.stringify(found)}`);
        if (!isWritable || initial === 'trigger') continue;
        const kind = { bool: 'boolean|true or false', integer: 'integer', list: 'list', text: 'string', date: 'date', key: 'string|key' };
        const word = kind[type.split(',')[0]];
        if (word) assert.match(found.message, new RegExp(word), name);
        const ofNull = await violation(collection, name, null);
        assert.equal(ofNull === undefined, isNullable, `${name}: null: ${JSON.stringify(ofNull)}`);
      }
    });

    test(`${collection}: what is given at creation only`, async () => {
      const given = { account_id: 'abcdefghijklmno', account: records.nats_accounts.public_key.replace(/.$/, 'A') };
      for (const { name, initial } of await fieldsOf(collection)) {
        if (initial === 'at creation') assert.ok(await violation(collection, name, given[name]), name);
      }
    });

    test(`${collection}: how long, how many, how large`, async () => {
      const code = { text: 'validation_max_text_constraint', list: 'validation_too_many_values' };
      for (const { name, type, range, max, choices } of await fieldsOf(collection)) {
        if (range) {
          await assertRefused(collection, name, range[0] - 1, 'validation_min_number_constraint');
          await assertRefused(collection, name, range[1] + 1, 'validation_max_number_constraint');
          for (const value of range) assert.doesNotMatch((await violation(collection, name, value))?.code ?? '', /number/, name);
        }
        const unit = type.startsWith('list') ? ['x'] : 'x';
        const many = (count) => (unit === 'x' ? unit.repeat(count) : Array(count).fill(unit[0]));
        const tooMany = code[type.split(',')[0]];
        if (max > 0 && name !== 'remove_signing_key') {
          await assertRefused(collection, name, many(max + 1), tooMany);
          assert.notEqual((await violation(collection, name, many(max)))?.code, tooMany, name);
        }
        for (const value of choices ?? []) {
          assert.notEqual((await violation(collection, name, value))?.code, 'validation_invalid_value', `${name}: ${value}`);
        }
        if (choices) await assertRefused(collection, name, 'x', 'validation_invalid_value');
      }
    });
  }

  test('what the text says of passwords', async () => {
    for (const [password, code] of [['1234567', 'validation_min_text_constraint'], ['x'.repeat(129), 'validation_max_text_constraint']]) {
      const { body } = await daemon.api('POST', path('_superusers'), { email: 'a@example.org', password, passwordConfirm: password });
      assert.equal(body.data.password.code, code);
    }
  });

  test('an unknown field is refused', async () => {
    for (const collection of collections.filter((name) => !readOnly.includes(name))) {
      await assertRefused(collection, 'no_such_field', 1, 'validation_unknown_field');
    }
  });

  test('the routes are those of the table of routes', async () => {
    const source = await readFile(join(root, 'src/api/route.c'), 'utf8');
    const there = [...source.matchAll(/(?:POCKETBASE|NATIVE)\("(\w+)",\s+"([^"]+)"/g)].map(([, verb, route]) =>
      `${verb} ${route.replace(':collection', 'NAME').replace(':id', 'ID').replace(':key', 'KEY')}`);
    const told = rows(await readDoc('docs/api.md'))
      .flatMap(([first]) => quoted(first))
      .filter((text) => /^[A-Z]+ \//.test(text))
      .map((text) => text.replace(/\?.*$/, '').replace('/_superusers/', '/NAME/'));
    assert.ok(there.length > 20);
    assert.deepEqual(told.sort(), there.sort());
  });

  test('the example of a dry run has the members of a real one', async () => {
    const example = JSON.parse(/^```json\n(\{\n\t"dry_run"[\s\S]*?)^```$/m.exec(await readDoc('docs/api.md'))[1]);
    const { body } = await daemon.api('PATCH', `${path('nats_accounts', records.nats_accounts.id)}?dry_run=1`, { max_connections: 1 });
    const keys = (value) => (value && typeof value === 'object' ? Object.entries(value).map(([key, inner]) =>
      [key, key.startsWith('claims') || Array.isArray(inner) && key !== 'accounts' ? null : keys(inner)]) : null);
    assert.deepEqual(keys(body), keys(example));
  });

  test('statuses and codes of the table of errors', async () => {
    const statuses = rows(section(await readDoc('docs/api.md'), 'Errors')).map(([status]) => status).join(', ');
    const problem = await readFile(join(root, 'src/api/problem.c'), 'utf8');
    // 412 never leaves: natsid tries again, and in the end says 409
    for (const status of problem.match(/\b[45]\d\d\b/g)) assert.ok(status === '412' || statuses.includes(status), status);
  });
});

describe('docs/cli.md', () => {
  const common = ['--data', '--key-file', '--config'];

  /** The commands of `natsid --help`: "operator export". */
  async function commands() {
    const { stdout } = await natsid(['--help']);
    return [...stdout.matchAll(/^ {2}natsid ([a-z]+(?: [a-z-]+)?)(?: {2,}| [A-Z(])/gm)].map((match) => match[1]);
  }

  /** {'--port': '4222'} of a command's help; null where it tells no default. */
  async function options(command) {
    const { stdout } = await natsid([...command.split(' '), '--help']);
    const lines = [...stdout.matchAll(/^ {2}(--[a-z-]+)(?: (?!  )\S+)? +.*?(?:\(([^()]*)\))?$/gm)];
    return Object.fromEntries(lines.filter(([, name]) => name !== '--help').map(([, name, initial]) => [name, initial ?? null]));
  }

  /** [command, its options] of each row of the table of commands. */
  async function rowsOfCommands() {
    const [table] = (await readDoc('docs/cli.md')).split('\n## ');
    return rows(table).map(([cell]) => {
      const [text] = quoted(cell);
      const command = /^natsid ([a-z]+(?: [a-z]+[a-z-]*)?)/.exec(text)[1];
      return [command, text.match(/--[a-z-]+/g) ?? []];
    });
  }

  test('the commands are those of --help', async () => {
    assert.deepEqual((await rowsOfCommands()).map(([command]) => command).sort(), (await commands()).sort());
  });

  test("each command's row names its options, all but those of every command", async () => {
    for (const [command, told] of await rowsOfCommands()) {
      const there = Object.keys(await options(command));
      const own = (names) => names.filter((name) => !common.includes(name)).sort();
      assert.deepEqual(own(told), own(there), command);
    }
  });

  test('the table of options has them all, with their defaults, but for those of one call', async () => {
    const table = Object.fromEntries(rows(section(await readDoc('docs/cli.md'), 'Options')).map(([flag, environment, key, initial]) =>
      [quoted(flag)[0].split(' ')[0], { environment: quoted(environment)[0], key: quoted(key)[0], initial }]));
    const found = {};
    for (const [command] of await rowsOfCommands()) Object.assign(found, await options(command));
    const { stdout: help } = await natsid(['serve', '--help']);
    assert.match(help, /NATSID_DATA for --data/);
    for (const [flag, { environment, key, initial }] of Object.entries(table)) {
      assert.ok(flag in found, flag);
      assert.equal(environment, `NATSID_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`);
      if (flag !== '--config') assert.equal(key, flag.slice(2).replaceAll('-', '_'));
      const told = found[flag]?.replace('DIR/', '');
      if (told && told !== 'a JSON file') assert.ok(initial.replaceAll('`', '').includes(told), `${flag}: ${told}`);
    }
  });
});

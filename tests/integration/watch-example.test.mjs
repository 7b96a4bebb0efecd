// The example client, as the README's walk uses it.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { launch, root, until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

const run = (...args) => launch(process.execPath, [join(root, 'examples/watch.mjs'), ...args]);

onStage('examples/watch.mjs', {}, (stage, test) => {
  let account, role, user, watch, file;
  let seen = 0; // how much of its output was looked at

  /** It prints this; what it printed before is not looked at again. */
  async function prints(pattern) {
    await until(`the example prints ${pattern}`, () => {
      assert.equal(watch.child.exitCode, null, watch.output.stderr);
      const found = pattern.exec(watch.output.stdout.slice(seen));
      if (!found) throw new Error(watch.output.stdout.slice(seen));
      seen += found.index + found[0].length;
      return true;
    });
  }

  test('it prints what it receives and what it may not subscribe to', async () => {
    account = await stage.createAccount('acme');
    role = await stage.createRole('sensor', ['telemetry.>'], ['telemetry.>', 'command.>']);
    user = await stage.createUser('sensor-1', account, role);
    await stage.proven(account);
    file = join(stage.directory, 'sensor-1.creds');
    await writeFile(file, await stage.creds(user), { mode: 0o600 });
    watch = run(file, 'telemetry.>', 'admin.>', '--url', stage.urls[0], '--publish', 'telemetry.temperature=21');
    await prints(/^\d\d:\d\d:\d\d\.\d{3} connected to 127\.0\.0\.1:\d+$/m);
    await prints(/refused to subscribe to admin\.>$/m);
    await prints(/received telemetry\.temperature: 21$/m);
  });

  test('it obeys when the right to publish is taken away, and given back', async () => {
    await stage.change(role, { publish_permissions: ['other.>'] });
    await prints(/disconnected/);
    await prints(/reconnected/);
    await prints(/refused to publish to telemetry\.temperature$/m);
    await stage.change(role, { publish_permissions: ['telemetry.>'] });
    await prints(/reconnected/);
    await prints(/received telemetry\.temperature: 21$/m);
  });

  test('it subscribes to what it was refused once the role allows it', async () => {
    await stage.change(role, { publish_permissions: ['>'], subscribe_permissions: ['>'] });
    await prints(/reconnected/);
    const other = await stage.connect(await stage.creds(user));
    await until('it hears of admin', () => {
      other.nc.publish('admin.news', 'hello');
      return watch.output.stdout.slice(seen).includes('received admin.news: hello');
    }, { every: 50 });
  });

  test('it is back when its user is activated again', async () => {
    await stage.change(user, { active: false });
    await prints(/disconnected/);
    await prints(/refused: .*authorization/i);
    await stage.change(user, { active: true });
    await prints(/reconnected/);
    await prints(/received telemetry\.temperature: 21$/m);
  });

  test('it is back when the server is, and takes a new creds file', async () => {
    await stage.servers[0].stop();
    await prints(/disconnected/);
    const moved = await stage.change(user, { role_id: (await stage.createRole('mute', [], [])).id });
    await writeFile(file, moved.creds_file);
    await stage.servers[0].start();
    await prints(/reconnected/);
    await prints(/refused to publish to telemetry\.temperature$/m);
  });

  test('it ends by itself only on a signal, and cleanly', async () => {
    watch.child.kill('SIGINT');
    assert.deepEqual(await watch.ended, { code: 0, signal: null });
    assert.match(watch.output.stdout, /stopped\n$/);
    assert.equal(watch.output.stderr, '');
  });

  test('it waits for a server that is not there yet', async () => {
    await stage.change(user, { role_id: role.id });
    await stage.proven(account);
    await writeFile(file, await stage.creds(user));
    await stage.servers[0].stop();
    [watch, seen] = [run(file, 'command.>', '--url', stage.urls[0]), 0];
    await prints(/refused: .*connection refused/i);
    await stage.servers[0].start();
    await prints(/connected to/);
    watch.child.kill('SIGTERM');
    assert.equal((await watch.ended).code, 0);
  });

  test('wrong usage is named', async () => {
    const cases = [[[], /creds file is needed/], [['/nowhere.creds', 'a'], /no such file/], [[file], /SUBJECT/], [
      [file, 'a', '--publish', 'b'], /SUBJECT=TEXT/], [[file, 'a', '--wrong'], /--wrong/]];
    for (const [args, message] of cases) {
      const { output, ended } = run(...args);
      assert.equal((await ended).code, 2);
      assert.match(output.stderr, message);
      assert.match(output.stderr, /usage: node examples\/watch\.mjs/);
    }
    const help = run('--help');
    assert.equal((await help.ended).code, 0);
    assert.match(help.output.stdout, /^usage: /);
  });
});

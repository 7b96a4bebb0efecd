// The README's walk, its commands taken from the README: what it promises is what happens.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { superuser } from './lib/natsid.mjs';
import { launch, root, until } from './lib/processes.mjs';
import { onStage } from './lib/stage.mjs';

/** The shell blocks of one section, in order. */
async function blocksOf(title) {
  const text = await readFile(join(root, 'README.md'), 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  assert.ok(section, `the README has no section "${title}"`);
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
}

onStage("the README's walk", {}, (stage, test) => {
  let blocks, watch;
  let variables = '';
  let seen = 0;

  /** Runs commands in a shell that has the variables and functions of the blocks before. */
  async function shell(commands, input = '') {
    const script = `set -euo pipefail\ncd '${stage.directory}'\n${variables}\n${commands}\ndeclare -p > .variables`;
    const { child, output, ended } = launch('bash', ['-c', script], { stdio: 'pipe' });
    child.stdin.end(input);
    assert.deepEqual(await ended, { code: 0, signal: null }, `${commands}\n${output.stderr}`);
    const kept = await readFile(join(stage.directory, '.variables'), 'utf8');
    const own = kept.match(/^declare -- (TOKEN|ACCOUNT|ROLE|USER_ID)=.*$/gm) ?? [];
    variables = [`URL=${stage.daemon.url}`, ...own, /^api\(\).*$/m.exec(blocks[0])[0]].join('\n');
    return output.stdout;
  }

  async function prints(pattern) {
    await until(`the example prints ${pattern}`, () => {
      const found = pattern.exec(watch.output.stdout.slice(seen));
      if (!found) throw new Error(watch.output.stdout.slice(seen) + watch.output.stderr);
      seen += found.index + found[0].length;
      return true;
    });
  }

  test('logging in', async () => {
    blocks = await blocksOf('The first ten minutes');
    assert.equal(blocks.length, 7);
    assert.match(blocks[0], /^URL=http:\/\/127\.0\.0\.1:8090$/m);
    const login = blocks[0].replace(/^URL=.*$/m, `URL=${stage.daemon.url}`).replace('admin@example.com', superuser.email);
    await shell(login, `${superuser.password}\n`);
    assert.match(variables, /TOKEN="ey/);
  });

  test('creating an account, a role and a user', async () => {
    await shell(blocks[1]);
    assert.equal(variables.match(/(ACCOUNT|ROLE|USER_ID)="[a-z0-9]{15}"/g).length, 3);
  });

  test('waiting until it is proven', async () => {
    await until('it is proven', async () => {
      const shown = JSON.parse(await shell(blocks[2]));
      assert.equal(shown.publish_status, 'proven', shown.publish_message);
      return shown.published_generation === shown.generation;
    });
  });

  test('downloading the creds and connecting', async () => {
    const [download, connect] = blocks[3].trim().split('\n');
    await shell(download);
    const [command, script, ...args] = connect.replaceAll("'", '').split(' ');
    assert.equal(command, 'node');
    watch = launch(process.execPath, [join(root, script), ...args, '--url', stage.urls[0]], { cwd: stage.directory });
    await prints(/refused to subscribe to admin\.>$/m);
    await prints(/received telemetry\.temperature: 21$/m);
  });

  test('asking what a change would cut', async () => {
    assert.equal(await shell(blocks[4]), '1\n');
  });

  test('changing the role, and watching the live client obey', async () => {
    await shell(blocks[5]);
    await prints(/reconnected/);
    await prints(/refused to publish to telemetry\.temperature$/m);
    await shell(blocks[5].replace('["other.>"]', '["telemetry.>"]'));
    await prints(/reconnected/);
    await prints(/received telemetry\.temperature: 21$/m);
  });

  test('taking it all back', async () => {
    const [suspend, activate, remove] = blocks[6].trim().split('\n');
    await shell(suspend);
    await prints(/refused: .*revoked|refused: .*authorization/i);
    await shell(activate);
    await prints(/reconnected/);
    await prints(/received telemetry\.temperature: 21$/m);
    await shell(remove);
    await prints(/refused: .*revoked|refused: .*authorization/i);
    watch.child.kill('SIGINT');
    assert.equal((await watch.ended).code, 0);
  });
});

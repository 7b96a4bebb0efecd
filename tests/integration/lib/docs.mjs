// What the documentation says, in the form that tests compare with what natsid does.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from './processes.mjs';

export const readDoc = (name) => readFile(join(root, name), 'utf8');

/** The part below a heading, up to the next one of its level or above. */
export function section(text, title) {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === title);
  assert.ok(start >= 0, `there is no section "${title}"`);
  const level = /^#+/.exec(lines[start])[0].length;
  const end = lines.findIndex((line, i) => i > start && /^#+ /.test(line) && /^#+/.exec(line)[0].length <= level);
  return lines.slice(start + 1, end < 0 ? undefined : end).join('\n');
}

/** All rows of the tables of a text, each a list of cells; without heads. */
export function rows(text) {
  const found = [];
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (!line.startsWith('| ') || lines[i + 1]?.startsWith('|---') || line.startsWith('|---')) continue;
    found.push(line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim().replaceAll('\\|', '|')));
  }
  return found;
}

/** What stands in `...` in a cell. */
export const quoted = (cell) => [...cell.matchAll(/`([^`]*)`/g)].map((match) => match[1]);

/** The blocks of a language in a text, in order. */
export const blocks = (text, language) => [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1]);

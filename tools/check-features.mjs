#!/usr/bin/env node
/**
 * A feature of the control plane reaches another only through what that feature's module exports: of the classes that
 * a module provides, other features may import those in its `exports`. Nest checks the same at run time, but only for
 * what is injected; an import alone already ties two features together.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { root } from './lib/workspace.mjs';

const source = join(root, 'apps/control-plane/src');
// Tests, and what they share, may put a feature together by hand.
const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.startsWith('testing/'),
);
/** @param {string} path relative to the source directory */
const featureOf = (path) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '');

/**
 * Class names in a list of the module's decorator, such as `exports: [A, B]`.
 * @param {string} text
 * @param {string} property
 */
function namesIn(text, property) {
  const lists = [...text.matchAll(new RegExp(`\\b${property}:\\s*\\[([\\s\\S]*?)\\]`, 'g'))].map(
    (match) => match[1] ?? '',
  );
  return lists.flatMap((list) => list.match(/\b[A-Z]\w*/g) ?? []);
}

/** @type {Map<string, { kept: Set<string>, module: string }>} */
const modules = new Map();
for (const file of files.filter((name) => name.endsWith('.module.ts'))) {
  const text = readFileSync(join(source, file), 'utf8');
  const exported = new Set(namesIn(text, 'exports'));
  const feature = featureOf(file);
  const kept = modules.get(feature)?.kept ?? new Set();
  for (const name of namesIn(text, 'providers')) if (!exported.has(name)) kept.add(name);
  modules.set(feature, { kept, module: file });
}

let problems = 0;
for (const file of files.filter((name) => featureOf(name) !== '')) {
  const text = readFileSync(join(source, file), 'utf8');
  for (const [, names, from] of text.matchAll(/import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(\.[^']*)'/g)) {
    const target = relative(source, resolve(join(source, file, '..'), from ?? ''));
    const feature = featureOf(target);
    if (feature === featureOf(file)) continue;
    for (const name of names?.match(/\b[A-Z]\w*/g) ?? []) {
      const other = modules.get(feature);
      if (!other?.kept.has(name)) continue;
      console.error(`${file} imports ${name}, which ${other.module} does not export`);
      problems++;
    }
  }
}
if (problems > 0) {
  console.error('Export it from its module if it is meant for others, or ask that feature another way.');
  process.exitCode = 1;
}

/**
 * Which file may import which. The picture behind it: apps → libs, never back; and within an app, features that know
 * of each other only what they mean to show.
 */
module.exports = {
  forbidden: [
    {
      name: 'libs-never-import-apps',
      comment: 'A lib is what two apps share. What it needs from an app comes in as an argument.',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^apps/' },
    },
    {
      name: 'apps-never-import-apps',
      comment: 'Apps talk over the network. What two of them share is a lib.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libs-by-their-front-door',
      comment: 'Import @synscope/<lib>, not a file inside it: its index is what it promises.',
      severity: 'error',
      from: { path: '^(apps|libs)/([^/]+)/' },
      to: { path: '^libs/([^/]+)/src/', pathNot: ['^libs/[^/]+/src/index\\.ts$', '^$1/$2/'] },
    },
    {
      name: 'testing-only-in-tests',
      comment: '@synscope/testing must not get into what is shipped.',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: ['\\.test\\.ts$', '/testing/', '^libs/testing/'] },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'features-keep-entities-and-controllers',
      comment:
        "A feature's entities and controllers are its own. Its providers are for others when its module exports them (tools/check-features.mjs).",
      severity: 'error',
      from: { path: '^apps/control-plane/src/([^/]+)/', pathNot: '\\.test\\.ts$' },
      to: {
        path: '^apps/control-plane/src/[^/]+/.+\\.(entity|controller|read-model)\\.ts$',
        pathNot: '^apps/control-plane/src/$1/',
      },
    },
    {
      name: 'stores-behind-services',
      comment: 'A controller never touches a store: the rules in between would not hold.',
      severity: 'error',
      from: { path: '\\.controller\\.ts$' },
      to: { path: '\\.(store|entity)\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one thing, or miss a third.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'Every import is declared in the package.json of the project that imports it.',
      severity: 'error',
      from: { path: '^(apps|libs)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'undetermined', 'unknown'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['synscope-source', 'types', 'import', 'node', 'default'],
      mainFields: ['module', 'main', 'types'],
    },
    doNotFollow: { path: ['node_modules', 'dist/'] },
    exclude: { path: ['/dist/'] },
    moduleSystems: ['es6', 'cjs'],
  },
};

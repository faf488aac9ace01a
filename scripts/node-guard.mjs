// Stops with a plain sentence when a script runs on a Node too old for MikroORM 7 (it declares >= 22.17).
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 17)) {
  console.error(
    `Ratebook needs Node 22.17 or newer and this is ${process.version}.\n` +
      'Run it through npm (npm start, npm test): npm puts the Node 24 that "npm ci" installed first.\n' +
      'If you did, "npm ci" ran with --ignore-scripts or without dev packages; run "npm ci" again or install Node 24.',
  );
  process.exit(1);
}

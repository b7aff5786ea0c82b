// A host: Node.js with better-sqlite3 or node:sqlite: node.js MODULE.  Neither can interrupt a query: it runs on the thread
// that asked for it, and there is no call for another.
const { Worker, isMainThread, workerData, parentPort } = require('node:worker_threads');
const name = process.argv[2] || workerData.name;
const better = name === 'better-sqlite3';
const Database = better ? require(process.env.CQ_NODE + '/better-sqlite3') : require(name).DatabaseSync;

function connect(path) {
  const db = new Database(path, better ? { nativeBinding: process.env.CQ_NODE + '/better_sqlite3.node' } : { allowExtension: true });
  load(db);
  return db;
}
function load(db) {
  db.loadExtension(process.env.CQ_SO.slice(0, -3));
}
function query(db, sql) {
  const q = db.prepare(sql);
  if (better) q.raw();
  else q.setReturnArrays(true);
  return q;
}
const show = (rows) => rows.map((row) => '= ' + row.map((v) => (v === null ? 'NULL' : String(v))).join('|'));

if (!isMainThread) {
  const db = connect(':memory:');
  parentPort.postMessage(show(query(db, workerData.sql).all()));
  db.close();
} else main();

async function main() {
  const connections = {}, halves = {};
  const commands = {
    open: (c, path) => void (connections[c] = connect(path)),
    load: (c) => load(connections[c]),
    rows: (c, sql) => show(query(connections[c], sql).all()),
    half: (c, sql) => {
      halves[c] = query(connections[c], sql).iterate();
      return show([halves[c].next().value]);
    },
    close: (c) => {
      if (halves[c]) halves[c].return();  // better-sqlite3 closes no connection that is busy
      connections[c].close();
      delete halves[c];
    },
    threads: async (n, sql) => {
      const one = () => new Promise((resolve, reject) => {
        let rows;
        const w = new Worker(__filename, { workerData: { name, sql } });
        w.on('message', (m) => (rows = m)).on('error', reject).on('exit', () => resolve(rows));
      });
      return (await Promise.all(Array.from({ length: n }, one))).flat();
    },
  };
  const say = (lines) => process.stdout.write(lines.join('\n') + '\n');
  say([`${name} ${query(connect(':memory:'), 'SELECT sqlite_version()').all()[0][0]} half threads`]);
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    const [verb, ...a] = line.split('\t');
    try {
      say([...((await commands[verb](...a)) || []), 'ok']);
    } catch (e) {
      say(['error ' + e.message.replaceAll('\n', '\\n')]);
    }
  }
}

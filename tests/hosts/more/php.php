<?php
// A host: PHP's SQLite3.  It can neither interrupt a query nor hear of its progress.
$connections = $halves = [];

function load($db) {
    $db->loadExtension('cq.so');
}
function connect($path) {
    $db = new SQLite3($path);
    $db->enableExceptions(true);
    load($db);
    return $db;
}
function show($row) {
    return '= ' . implode('|', array_map(fn($v) => $v === null ? 'NULL' : $v, $row));
}
function run($verb, $name, $a = null) {
    global $connections, $halves;
    $out = [];
    if ($verb == 'open') {
        $connections[$name] = connect($a);
    } elseif ($verb == 'load') {
        load($connections[$name]);
    } elseif ($verb == 'rows') {
        for ($q = $connections[$name]->query($a); $row = $q->fetchArray(SQLITE3_NUM);) {
            $out[] = show($row);
        }
    } elseif ($verb == 'half') {
        $halves[$name] = $connections[$name]->query($a);
        $out[] = show($halves[$name]->fetchArray(SQLITE3_NUM));
    } elseif ($verb == 'close') {
        $connections[$name]->close();
        unset($connections[$name], $halves[$name]);
    }
    return $out;
}

echo 'php ', SQLite3::version()['versionString'], " half\n";
while (($line = fgets(STDIN)) !== false) {
    try {
        $lines = [...run(...explode("\t", rtrim($line, "\n"))), 'ok'];
    } catch (Exception $e) {
        $lines = ['error ' . str_replace("\n", '\n', preg_replace('/^Unable to \w+ statement: /', '', $e->getMessage()))];
    }
    echo implode("\n", $lines), "\n";
}

//! A host: Rust with rusqlite.  A handle interrupts from another thread.
use rusqlite::{Connection, Result, Row};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, thread, time::Duration};

fn load(db: &Connection) -> Result<()> {
    unsafe {
        db.load_extension_enable()?;
        db.load_extension(env::var("CQ_SO").unwrap().trim_end_matches(".so"), None::<&str>)
    }
}

fn open(path: &str) -> Result<Connection> {
    let db = Connection::open(path)?;
    load(&db)?;
    Ok(db)
}

fn show(row: &Row) -> Result<String> {
    use rusqlite::types::ValueRef::*;
    let mut text = vec![];
    for i in 0..row.as_ref().column_count() {
        text.push(match row.get_ref(i)? {
            Null => "NULL".into(),
            Integer(n) => n.to_string(),
            Real(r) => r.to_string(),
            Text(t) | Blob(t) => String::from_utf8_lossy(t).into_owned(),
        });
    }
    Ok(format!("= {}", text.join("|")))
}

fn rows(db: &Connection, sql: &str) -> Result<Vec<String>> {
    let mut q = db.prepare(sql)?;
    let mut r = q.query([])?;
    let mut out = vec![];
    while let Some(row) = r.next()? {
        out.push(show(row)?);
    }
    Ok(out)
}

/// A query that stays open borrows its connection, so both are kept for ever.
fn half(sql: &str) -> Result<Vec<String>> {
    let db = Box::leak(Box::new(open(":memory:")?));
    let q = Box::leak(Box::new(db.prepare(sql)?));
    let r = Box::leak(Box::new(q.query([])?));
    Ok(vec![show(r.next()?.unwrap())?])
}

fn interrupt(db: &Connection, file: &str, sql: &str) -> Result<Vec<String>> {
    let handle = db.get_interrupt_handle();
    let over = AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if Path::new(file).exists() {
                    handle.interrupt();
                }
                thread::sleep(Duration::from_millis(10));
            }
        });
        let out = rows(db, sql);
        over.store(true, Ordering::Relaxed);
        out
    })
}

fn threads(n: usize, sql: &str) -> Result<Vec<String>> {
    thread::scope(|s| {
        let all: Vec<_> = (0..n).map(|_| s.spawn(|| rows(&open(":memory:")?, sql))).collect();
        let mut out = vec![];
        for t in all {
            out.extend(t.join().unwrap()?);
        }
        Ok(out)
    })
}

fn main() {
    let mut connections: HashMap<String, Connection> = HashMap::new();
    println!("rust {} half interrupt threads", rusqlite::version());
    for line in std::io::stdin().lock().lines().map_while(|l| l.ok()) {
        let w: Vec<&str> = line.split('\t').collect();
        let answer = match w[0] {
            "open" => open(w[2]).map(|db| { connections.insert(w[1].into(), db); vec![] }),
            "load" => load(&connections[w[1]]).map(|_| vec![]),
            "rows" => rows(&connections[w[1]], w[2]),
            "half" => half(w[2]),
            "interrupt" => interrupt(&connections[w[1]], w[2], w[3]),
            "threads" => threads(w[1].parse().unwrap(), w[2]),
            _ => connections.remove(w[1]).unwrap().close().map(|_| vec![]).map_err(|(_, e)| e),
        };
        match answer {
            Ok(out) => out.iter().for_each(|r| println!("{r}")),
            Err(e) => { println!("error {}", text(&e).replace('\n', "\\n")); continue; }
        }
        println!("ok");
        std::io::stdout().flush().unwrap();
    }
}

/// rusqlite adds the statement to errors that SQLite gives an offset for.
fn text(e: &rusqlite::Error) -> String {
    match e {
        rusqlite::Error::SqliteFailure(_, Some(m)) => m.clone(),
        _ => e.to_string(),
    }
}

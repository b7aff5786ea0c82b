// A host: Go with mattn/go-sqlite3.  A context that is cancelled interrupts.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-sqlite3"
)

var (
	connections = map[string]*sql.DB{}
	halves      = map[string]*sql.Rows{}
	extension   = strings.TrimSuffix(os.Getenv("CQ_SO"), ".so")
)

func open(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3_cq", path)
	if err == nil {
		db.SetMaxOpenConns(1) // a pool would make further databases in memory
		err = db.Ping()
	}
	return db, err
}

func row(q *sql.Rows) (string, error) {
	names, err := q.Columns()
	if err != nil {
		return "", err
	}
	values, at := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		at[i] = &values[i]
	}
	err = q.Scan(at...)
	text := make([]string, len(names))
	for i, v := range values {
		if text[i] = v.String; !v.Valid {
			text[i] = "NULL"
		}
	}
	return "= " + strings.Join(text, "|"), err
}

func rows(c context.Context, db *sql.DB, query string) (out []string, err error) {
	q, err := db.QueryContext(c, query)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	for q.Next() {
		r, err := row(q)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, q.Err()
}

func threads(n int, query string) ([]string, error) {
	out, errs := make([]string, n), make([]error, n)
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			db, err := open(":memory:")
			if err == nil {
				var r []string
				if r, err = rows(context.Background(), db, query); err == nil {
					out[i] = r[0]
				}
				db.Close()
			}
			errs[i] = err
		}(i)
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func run(verb string, a []string) (out []string, err error) {
	db := connections[a[0]]
	switch verb {
	case "open":
		connections[a[0]], err = open(a[1])
	case "load":
		var c *sql.Conn
		if c, err = db.Conn(context.Background()); err == nil {
			err = c.Raw(func(c any) error { return c.(*sqlite3.SQLiteConn).LoadExtension(extension, "sqlite3_cq_init") })
			c.Close()
		}
	case "rows":
		out, err = rows(context.Background(), db, a[1])
	case "half":
		if db, err = open(":memory:"); err == nil {
			connections[a[0]+" half"] = db
			if halves[a[0]], err = db.Query(a[1]); err == nil {
				halves[a[0]].Next()
				var r string
				r, err = row(halves[a[0]])
				out = []string{r}
			}
		}
	case "interrupt":
		c, cancel := context.WithCancel(context.Background())
		go func() {
			for c.Err() == nil {
				if _, err := os.Stat(a[1]); err == nil {
					cancel()
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
		out, err = rows(c, db, a[2])
		if err == context.Canceled {
			err = fmt.Errorf("interrupted: %w", err)
		}
		cancel()
	case "threads":
		n, _ := strconv.Atoi(a[0])
		out, err = threads(n, a[1])
	case "close":
		if q := halves[a[0]]; q != nil {
			connections[a[0]+" half"].Close() // the query is open still
			q.Close()
		}
		err = db.Close()
		delete(connections, a[0])
		delete(halves, a[0])
	}
	return out, err
}

func main() {
	sql.Register("sqlite3_cq", &sqlite3.SQLiteDriver{Extensions: []string{extension}})
	version, _, _ := sqlite3.Version()
	fmt.Println("go", version, "half interrupt threads")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Split(in.Text(), "\t")
		out, err := run(words[0], words[1:])
		for _, r := range out {
			fmt.Println(r)
		}
		if err != nil {
			fmt.Println("error " + strings.ReplaceAll(err.Error(), "\n", "\\n"))
		} else {
			fmt.Println("ok")
		}
	}
}

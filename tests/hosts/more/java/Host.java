// A host: Java with sqlite-jdbc.  Statement.cancel() interrupts from another thread.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.sql.*;
import java.util.*;
import java.util.concurrent.*;

class Host {
    static final Map<String, Connection> connections = new HashMap<>();

    static void load(Connection db) throws SQLException {
        String so = System.getenv("CQ_SO");
        try (PreparedStatement q = db.prepareStatement("SELECT load_extension(?)")) {
            q.setString(1, so.substring(0, so.length() - 3));
            q.executeQuery().next();
        }
    }

    static Connection open(String path) throws SQLException {
        Properties p = new Properties();
        p.setProperty("enable_load_extension", "true");
        Connection db = DriverManager.getConnection("jdbc:sqlite:" + path, p);
        load(db);
        return db;
    }

    static String show(ResultSet r) throws SQLException {
        List<String> text = new ArrayList<>();
        for (int i = 1; i <= r.getMetaData().getColumnCount(); i++) text.add(r.getString(i) == null ? "NULL" : r.getString(i));
        return "= " + String.join("|", text);
    }

    static List<String> rows(Statement q, String sql) throws SQLException {
        List<String> out = new ArrayList<>();
        try (ResultSet r = q.executeQuery(sql)) {
            while (r.next()) out.add(show(r));
        }
        return out;
    }

    static List<String> rows(Connection db, String sql) throws SQLException {
        try (Statement q = db.createStatement()) {
            return rows(q, sql);
        }
    }

    static List<String> interrupt(Connection db, String file, String sql) throws Exception {
        try (Statement q = db.createStatement()) {
            Future<List<String>> asked = pool.submit(() -> rows(q, sql));
            while (!asked.isDone()) {
                if (Files.exists(Path.of(file))) q.cancel();
                Thread.sleep(10);
            }
            return asked.get();
        }
    }

    static final ExecutorService pool = Executors.newCachedThreadPool(r -> {
        Thread t = new Thread(r);
        t.setDaemon(true);
        return t;
    });

    static List<String> run(String verb, String[] a) throws Exception {
        Connection db = connections.get(a[0]);
        switch (verb) {
            case "open": connections.put(a[0], open(a[1])); break;
            case "load": load(db); break;
            case "rows": return rows(db, a[1]);
            case "half":
                ResultSet r = db.createStatement().executeQuery(a[1]);
                r.next();
                return List.of(show(r));
            case "interrupt": return interrupt(db, a[1], a[2]);
            case "threads":
                List<Callable<List<String>>> all = new ArrayList<>();
                for (int i = 0; i < Integer.parseInt(a[0]); i++)
                    all.add(() -> {
                        try (Connection own = open(":memory:")) {
                            return rows(own, a[1]);
                        }
                    });
                List<String> out = new ArrayList<>();
                for (Future<List<String>> f : pool.invokeAll(all)) out.addAll(f.get());
                return out;
            default: connections.remove(a[0]).close();
        }
        return List.of();
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        out.println("java " + rows(open(":memory:"), "SELECT sqlite_version()").get(0).substring(2) + " half interrupt threads");
        for (String line; (line = in.readLine()) != null;) {
            String[] w = line.split("\t");
            try {
                for (String r : run(w[0], Arrays.copyOfRange(w, 1, w.length))) out.println(r);
                out.println("ok");
            } catch (Exception e) {
                Throwable t = e instanceof ExecutionException ? e.getCause() : e;
                String m = String.valueOf(t.getMessage()).replaceAll("(?s)^\\[SQLITE_\\w+\\] [^(]*\\((.*)\\)$", "$1");
                out.println("error " + m.replace("\n", "\\n"));
            }
        }
    }
}

# A host: Ruby's sqlite3.  It has nothing that ends a query.
require 'sqlite3'

$stdout.sync = true
Encoding.default_external = 'UTF-8'
$connections, $halves = {}, {}

def load_into(db)
  db.load_extension(ENV['CQ_SO'][0..-4])
end

def connect(path)
  db = SQLite3::Database.new(path)
  db.enable_load_extension(true)
  load_into(db)
  db
end

def show(rows)
  rows.map { |row| '= ' + row.map { |v| v.nil? ? 'NULL' : v }.join('|') }
end

def run(verb, name, a = nil)
  db = $connections[name]
  case verb
  when 'open' then $connections[name] = connect(a)
  when 'load' then load_into(db)
  when 'rows' then return show(db.execute(a))
  when 'half'
    $halves[name] = db.query(a)
    return show([$halves[name].next])
  when 'close'
    $halves.delete(name)&.close # the connection closes only after its queries
    $connections.delete(name).close
  when 'threads'
    return (1..name.to_i).map { Thread.new { own = connect(':memory:'); r = show(own.execute(a)); own.close; r } }.flat_map(&:value)
  end
  []
end

puts "ruby #{connect(':memory:').execute('SELECT sqlite_version()')[0][0]} half threads"
$stdin.each_line do |line|
  begin
    puts run(*line.chomp.split("\t")), 'ok'
  rescue SQLite3::Exception, StandardError => e
    puts 'error ' + e.message.gsub("\n", '\n')
  end
end

// bench/floor_simdjson.cc: the floor: the fastest loop that a person would
// write (floor.h), with simdjson's on-demand parser.
//
// JSON columns are taken as the text that came. Which column a member is, is
// remembered by its place in the record: one comparison a member.
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <simdjson.h>

#include "floor.h"

namespace sj = simdjson::ondemand;

static_assert(FLOOR_PADDING >= simdjson::SIMDJSON_PADDING,
              "bytes behind a page");

struct target {
  std::string key;
  std::vector<int> columns; // of this key, or of keys in its object
};

static sj::parser parser;
static std::unordered_map<std::string_view, target> targets;
static std::vector<const target *> places; // of the members of the last record
static bool constants; // some columns are bound once for many records

static void bind_text(sqlite3_stmt *s, int i, std::string_view v) {
  sqlite3_bind_text(s, i, v.data(), static_cast<int>(v.size()), SQLITE_STATIC);
}

static void bind(sqlite3_stmt *s, int i, sj::value v) {
  switch (v.type()) {
  case sj::json_type::number: {
    sj::number n = v.get_number();
    if (n.is_int64())
      sqlite3_bind_int64(s, i, n.get_int64());
    else
      sqlite3_bind_double(s, i, n.as_double());
    break;
  }
  case sj::json_type::string:
    bind_text(s, i, v.get_string());
    break;
  case sj::json_type::boolean:
    sqlite3_bind_int(s, i, v.get_bool());
    break;
  case sj::json_type::null:
    sqlite3_bind_null(s, i);
    break;
  default:
    bind_text(s, i, simdjson::to_json_string(v).value());
  }
}

// Keys that no column wants are remembered as well, without columns.
static const target *find(std::string_view key, size_t place) {
  if (place < places.size() && places[place]->key == key) return places[place];
  auto it = targets.find(key);
  if (it == targets.end()) {
    auto *own = new std::string(key); // kept as long as the program runs
    it = targets.emplace(*own, target{*own, {}}).first;
  }
  if (places.size() <= place) places.resize(place + 1, &it->second);
  places[place] = &it->second;
  return &it->second;
}

static void compile(const floor_t *f) {
  targets.clear();
  places.clear();
  constants = false;
  for (int i = 0; i < f->ncolumn; i++) {
    if (f->column[i].key[0] == '{') {
      constants = true;
      continue;
    }
    target &t = targets[f->column[i].key];
    t.key = f->column[i].key;
    t.columns.push_back(i);
  }
}

// The bindings of the last record are replaced by this one's; a member that
// this one lacks is NULL.
static void record(floor_t *f, sj::object row) {
  size_t place = 0;
  if (!constants) sqlite3_clear_bindings(f->insert);
  for (int i = 0; constants && i < f->ncolumn; i++)
    if (f->column[i].key[0] != '{') sqlite3_bind_null(f->insert, i + 1);
  for (auto field : row) {
    const target *t = find(field.unescaped_key(), place++);
    if (t->columns.empty()) continue;
    int first = t->columns[0];
    if (!f->column[first].below) {
      bind(f->insert, first + 1, field.value());
      continue;
    }
    for (auto inner : field.value().get_object()) {
      std::string_view key = inner.unescaped_key();
      for (int i : t->columns)
        if (key == f->column[i].below) bind(f->insert, i + 1, inner.value());
    }
  }
  floor_row(f);
}

static void page(floor_t *f, int columns_changed) {
  if (columns_changed) compile(f);
  sj::document doc = parser.iterate(f->body, f->size, f->cap);
  for (sj::object row : doc.get_array()) record(f, row);
}

int main(int argc, char **argv) try {
  return floor_main(argc, argv, page);
} catch (const simdjson::simdjson_error &e) {
  floor_die("json", e.what());
}

/* ext/data/type.c: the names of column types and what SQLite declares. */
#include "data/data.h"

#include <string.h>

/* SQLite gets four declared types only: names such as "json", "uuid" or
 * "timestamp" would mean NUMERIC affinity, which turns the text 1e5 into a
 * number. */
static const struct {
  int type;
  const char *name, *list, *sql;
} type_table[] = {
    {CQ_TEXT, "text", "list of text", "TEXT"},
    {CQ_INTEGER, "integer", "list of integer", "INTEGER"},
    {CQ_REAL, "real", "list of real", "REAL"},
    {CQ_BOOLEAN, "boolean", "list of boolean", "INTEGER"},
    {CQ_TIMESTAMP, "timestamp", "list of timestamp", "TEXT"},
    {CQ_DATE, "date", "list of date", "TEXT"},
    {CQ_DECIMAL, "decimal", "list of decimal", "TEXT"},
    {CQ_UUID, "uuid", "list of uuid", "TEXT"},
    {CQ_INET, "inet", "list of inet", "TEXT"},
    {CQ_CIDR, "cidr", "list of cidr", "TEXT"},
    {CQ_MAC, "mac", "list of mac", "TEXT"},
    {CQ_BLOB, "blob", "list of blob", "BLOB"},
    {CQ_JSON, "json", "list of json", "TEXT"},
};

enum { TYPE_COUNT = sizeof(type_table) / sizeof(*type_table) };

int cq_type_parse(const char *name) {
  int i;
  if (!name) return 0;
  for (i = 0; i < TYPE_COUNT; i++) {
    if (strcmp(name, type_table[i].name) == 0) return type_table[i].type;
    if (strcmp(name, type_table[i].list) == 0)
      return CQ_LIST | type_table[i].type;
  }
  return 0;
}

const char *cq_type_name(int type) {
  int i;
  for (i = 0; i < TYPE_COUNT; i++)
    if (type_table[i].type == (type & CQ_TYPE_MASK))
      return type & CQ_LIST ? type_table[i].list : type_table[i].name;
  return "unknown";
}

const char *cq_type_sql(int type) {
  int i;
  if (type & CQ_LIST) return "TEXT";
  for (i = 0; i < TYPE_COUNT; i++)
    if (type_table[i].type == (type & CQ_TYPE_MASK)) return type_table[i].sql;
  return "TEXT";
}

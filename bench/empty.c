/* bench/empty.c: an extension that does nothing, linked with the same libraries
 * as cq.so: what the dynamic linker takes is not cq's. */
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

__attribute__((visibility("default"))) int
sqlite3_empty_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);
int sqlite3_empty_init(sqlite3 *db, char **error,
                       const sqlite3_api_routines *api) {
  (void)db, (void)error;
  SQLITE_EXTENSION_INIT2(api);
  return SQLITE_OK_LOAD_PERMANENTLY;
}

/* cq.h: cloud APIs as SQLite tables: what a program that links libcq.a needs.
 *
 *   sqlite3_auto_extension((void (*)(void))sqlite3_cq_init);
 *
 * makes cq part of every connection that is opened afterwards. */
#ifndef CQ_H
#define CQ_H

#define CQ_VERSION        "0.1.0"
#define CQ_VERSION_NUMBER 1000

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;
struct sqlite3_api_routines;

/* The entry point.  SQLite's message is left in *error (sqlite3_free). */
int sqlite3_cq_init(struct sqlite3 *db, char **error,
                    const struct sqlite3_api_routines *api);

#ifdef __cplusplus
}
#endif

#endif

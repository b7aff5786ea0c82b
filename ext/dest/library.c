/* ext/dest/library.c: a library that is opened when the first destination needs
 * it, so that cq itself needs it for nothing, and its functions in a table. */
#include "dest/dest.h"

#include <dlfcn.h>
#include <string.h>

/* It is never unloaded: others, OpenSSL among them, remember functions of it. */
int cq_library_open(void *lib, const cq_library *l, cq_error *err) {
  const char *name = NULL;
  void *handle = NULL;

  for (size_t i = 0; i < l->nname && !handle; i++) {
    name = l->names[i];
    handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  }
  memcpy(lib, &handle, sizeof handle);
  if (!handle) {
    cq_error_set(err, CQ_NOTFOUND, "%s: cannot be loaded: %s", l->title,
                 dlerror());
    cq_error_hint(err, "%s", l->hint);
    return CQ_NOTFOUND;
  }
  for (size_t i = 0; i < l->ncall; i++) {
    void *found = dlsym(handle, l->calls[i].name);

    if (!found)
      return cq_error_set(err, CQ_NOTFOUND, "%s: %s: no %s", name, l->unfit,
                          l->calls[i].name);
    memcpy((char *)lib + l->calls[i].at, &found, sizeof found);
  }
  return CQ_OK;
}

void cq_library_close(void *lib) {
  void *handle, *none = NULL;

  memcpy(&handle, lib, sizeof handle);
  if (handle) dlclose(handle);
  memcpy(lib, &none, sizeof none);
}

/* What a token can do with no bridge around it: C_SignInit and C_Sign in a C loop.
 *
 *   raw_sign MODULE TOKEN_LABEL KEY_LABEL THREADS     (the PIN is read from the first line of standard input)
 *
 * Logs in, finds the key once per session, prints "ready". Then each line "COUNT THREADS" on standard input makes
 * THREADS threads sign COUNT times each, and is answered by one line: the wall time of it all in ns, then the time
 * of every signature in ns. So the caller can take turns between this and what it compares.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../shim/cryptoki.h"

#define MAX_THREADS 16
#define CKU_USER 1UL
#define CKF_OS_LOCKING_OK 2UL
#define CKA_LABEL 3UL
#define CKO_PRIVATE_KEY 3UL
#define CKM_ECDSA 0x1041UL

typedef struct {
    void *create, *destroy, *lock, *unlock;
    CK_FLAGS flags;
    void *reserved;
} CK_C_INITIALIZE_ARGS;

typedef struct {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    long count;
    long *nanoseconds;
} Worker;

static CK_FUNCTION_LIST *table;
static Worker workers[MAX_THREADS];

static void check(CK_RV rv, const char *what) {
    if (rv != CKR_OK) {
        fprintf(stderr, "%s: 0x%lx\n", what, rv);
        exit(1);
    }
}

static long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000L + at.tv_nsec;
}

static CK_SLOT_ID find_slot(const char *label) {
    CK_RV (*slots)(CK_BBOOL, CK_SLOT_ID *, CK_ULONG *) = table->function[F_GetSlotList];
    CK_RV (*info)(CK_SLOT_ID, CK_TOKEN_INFO *) = table->function[F_GetTokenInfo];
    CK_SLOT_ID ids[64];
    CK_ULONG count = 64;
    check(slots(1, ids, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO token;
        size_t length = strlen(label);
        check(info(ids[i], &token), "C_GetTokenInfo");
        if (length <= 32 && memcmp(token.label, label, length) == 0 && (length == 32 || token.label[length] == ' '))
            return ids[i];
    }
    fprintf(stderr, "no token %s\n", label);
    exit(1);
}

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session, char *label) {
    CK_RV (*init)(CK_SESSION_HANDLE, CK_ATTRIBUTE *, CK_ULONG) = table->function[F_FindObjectsInit];
    CK_RV (*find)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE *, CK_ULONG, CK_ULONG *) = table->function[F_FindObjects];
    CK_RV (*final)(CK_SESSION_HANDLE) = table->function[F_FindObjectsFinal];
    CK_ULONG private_key = CKO_PRIVATE_KEY, found = 0;
    CK_OBJECT_HANDLE key;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &private_key, sizeof private_key}, {CKA_LABEL, label, strlen(label)}};
    check(init(session, wanted, 2), "C_FindObjectsInit");
    check(find(session, &key, 1, &found), "C_FindObjects");
    check(final(session), "C_FindObjectsFinal");
    if (found != 1) {
        fprintf(stderr, "no key %s\n", label);
        exit(1);
    }
    return key;
}

static void *sign(void *argument) {
    CK_RV (*init)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE) = table->function[F_SignInit];
    CK_RV (*sign_once)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *) = table->function[F_Sign];
    Worker *worker = argument;
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_BYTE digest[32], signature[64];
    for (long i = 0; i < worker->count; i++) {
        CK_ULONG length = sizeof signature;
        long begin = now();
        memset(digest, 0x5a, sizeof digest);
        memcpy(digest, &begin, sizeof begin);
        check(init(worker->session, &mechanism, worker->key), "C_SignInit");
        check(sign_once(worker->session, digest, sizeof digest, signature, &length), "C_Sign");
        worker->nanoseconds[i] = now() - begin;
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: raw_sign MODULE TOKEN_LABEL KEY_LABEL THREADS\n");
        return 2;
    }
    int threads = atoi(argv[4]);
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "1 to %d threads\n", MAX_THREADS);
        return 2;
    }
    char pin[256];
    if (fgets(pin, sizeof pin, stdin) == NULL)
        return 2;
    pin[strcspn(pin, "\n")] = 0;

    void *module = dlopen(argv[1], RTLD_NOW);
    if (module == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    CK_RV (*list)(CK_FUNCTION_LIST **) = dlsym(module, "C_GetFunctionList");
    check(list(&table), "C_GetFunctionList");
    CK_RV (*initialize)(void *) = table->function[F_Initialize];
    CK_RV (*open)(CK_SLOT_ID, CK_FLAGS, void *, void *, CK_SESSION_HANDLE *) = table->function[F_OpenSession];
    CK_RV (*login)(CK_SESSION_HANDLE, CK_ULONG, char *, CK_ULONG) = table->function[F_Login];
    CK_C_INITIALIZE_ARGS locking = {NULL, NULL, NULL, NULL, CKF_OS_LOCKING_OK, NULL};
    check(initialize(&locking), "C_Initialize");
    CK_SLOT_ID slot = find_slot(argv[2]);
    for (int i = 0; i < threads; i++) {
        check(open(slot, CKF_SERIAL_SESSION, NULL, NULL, &workers[i].session), "C_OpenSession");
        if (i == 0)
            check(login(workers[0].session, CKU_USER, pin, strlen(pin)), "C_Login");
        workers[i].key = find_key(workers[i].session, argv[3]);
    }
    memset(pin, 0, sizeof pin);
    puts("ready");
    fflush(stdout);

    long count;
    int running;
    while (scanf("%ld %d", &count, &running) == 2) {
        pthread_t ids[MAX_THREADS];
        if (count < 1 || running < 1 || running > threads)
            return 2;
        for (int i = 0; i < running; i++) {
            workers[i].count = count;
            workers[i].nanoseconds = malloc((size_t)count * sizeof(long));
            if (workers[i].nanoseconds == NULL)
                return 1;
        }
        long begin = now();
        for (int i = 0; i < running; i++)
            if (pthread_create(&ids[i], NULL, sign, &workers[i]) != 0)
                return 1;
        for (int i = 0; i < running; i++)
            pthread_join(ids[i], NULL);
        printf("%ld", now() - begin);
        for (int i = 0; i < running; i++) {
            for (long j = 0; j < count; j++)
                printf(" %ld", workers[i].nanoseconds[j]);
            free(workers[i].nanoseconds);
        }
        putchar('\n');
        fflush(stdout);
    }
    return 0;
}

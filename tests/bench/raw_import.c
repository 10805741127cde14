/* What a token needs for imports with no bridge around it: the objects of a key, and one signature with it.
 *
 *   raw_import MODULE TOKEN_LABEL NOTES     (the PIN is read from the first line of standard input)
 *
 * Every further line on standard input is 64 hexadecimal digits of a secp256k1 private key and 130 of its public point,
 * separated by a space. Of each a private and a public object are made, with NOTES = 1 a data object as well, all in the
 * token, and a digest is signed with the private one. Prints the wall time in ns: of the creations, of the signatures.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../shim/cryptoki.h"

#define CKU_USER 1UL
#define CKF_RW_SESSION 2UL
#define CKA_TOKEN 1UL
#define CKA_PRIVATE 2UL
#define CKA_LABEL 3UL
#define CKA_APPLICATION 0x10UL
#define CKA_VALUE 0x11UL
#define CKA_SIGN 0x108UL
#define CKA_VERIFY 0x10AUL
#define CKO_DATA 0UL
#define CKK_EC 3UL
#define CKM_ECDSA 0x1041UL

typedef CK_RV (*Create)(CK_SESSION_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_OBJECT_HANDLE *);
typedef CK_RV (*SignInit)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
typedef CK_RV (*Sign)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);

static CK_FUNCTION_LIST *table;
static CK_SESSION_HANDLE session;
static CK_BBOOL yes = 1, no = 0;
static CK_ULONG ec = CKK_EC;
static CK_BYTE secp256k1[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a};

#define IS(type, value) {type, &(value), sizeof(value)}
#define BYTES(type, value, size) {type, value, size}
#define COUNT(array) (sizeof(array) / sizeof *(array))

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

static void unhex(const char *digits, CK_BYTE *bytes, int count) {
    for (int i = 0; i < count; i++) {
        unsigned value;
        if (sscanf(digits + 2 * i, "%2x", &value) != 1)
            exit(2);
        bytes[i] = (CK_BYTE)value;
    }
}

static CK_SLOT_ID find_slot(const char *label) {
    CK_RV (*slots)(CK_BBOOL, CK_SLOT_ID *, CK_ULONG *) = table->function[F_GetSlotList];
    CK_RV (*info)(CK_SLOT_ID, CK_TOKEN_INFO *) = table->function[F_GetTokenInfo];
    CK_SLOT_ID ids[64];
    CK_ULONG count = 64;
    check(slots(1, ids, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO token;
        check(info(ids[i], &token), "C_GetTokenInfo");
        if (memcmp(token.label, label, strlen(label)) == 0 && token.label[strlen(label)] == ' ')
            return ids[i];
    }
    fprintf(stderr, "no token %s\n", label);
    exit(1);
}

static CK_OBJECT_HANDLE import(int number, CK_BYTE *secret, CK_BYTE *point, int notes) {
    Create create = (Create)table->function[F_CreateObject];
    CK_ULONG private_class = CKO_PRIVATE_KEY, public_class = CKO_PUBLIC_KEY, data_class = CKO_DATA;
    CK_BYTE id[16] = {0}, value[300];
    char label[32];
    CK_OBJECT_HANDLE key, other;
    memcpy(id, &number, sizeof number);
    memset(value, 'x', sizeof value);
    int size = snprintf(label, sizeof label, "key %d", number);
    CK_ATTRIBUTE private_key[] = {
        IS(CKA_CLASS, private_class), IS(CKA_KEY_TYPE, ec), IS(CKA_EC_PARAMS, secp256k1), BYTES(CKA_VALUE, secret, 32),
        IS(CKA_ID, id), BYTES(CKA_LABEL, label, (CK_ULONG)size), IS(CKA_TOKEN, yes), IS(CKA_PRIVATE, yes),
        IS(CKA_SENSITIVE, yes), IS(CKA_EXTRACTABLE, no), IS(CKA_SIGN, yes),
    };
    CK_ATTRIBUTE public_key[] = {
        IS(CKA_CLASS, public_class), IS(CKA_KEY_TYPE, ec), IS(CKA_EC_PARAMS, secp256k1), BYTES(CKA_EC_POINT, point, 67),
        IS(CKA_ID, id), BYTES(CKA_LABEL, label, (CK_ULONG)size), IS(CKA_TOKEN, yes), IS(CKA_PRIVATE, no),
        IS(CKA_VERIFY, yes),
    };
    CK_ATTRIBUTE note[] = {
        IS(CKA_CLASS, data_class), BYTES(CKA_LABEL, label, (CK_ULONG)size), IS(CKA_TOKEN, yes), IS(CKA_PRIVATE, yes),
        BYTES(CKA_APPLICATION, id, sizeof id), IS(CKA_VALUE, value),
    };
    check(create(session, private_key, COUNT(private_key), &key), "C_CreateObject of a private key");
    check(create(session, public_key, COUNT(public_key), &other), "C_CreateObject of a public key");
    if (notes)
        check(create(session, note, COUNT(note), &other), "C_CreateObject of a note");
    return key;
}

static void sign(CK_OBJECT_HANDLE key, long seed) {
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_BYTE digest[32], signature[64];
    CK_ULONG length = sizeof signature;
    memset(digest, 0x5a, sizeof digest);
    memcpy(digest, &seed, sizeof seed);
    check(((SignInit)table->function[F_SignInit])(session, &mechanism, key), "C_SignInit");
    check(((Sign)table->function[F_Sign])(session, digest, sizeof digest, signature, &length), "C_Sign");
}

int main(int argc, char **argv) {
    char line[512];
    if (argc != 4 || fgets(line, sizeof line, stdin) == NULL)
        return 2;
    line[strcspn(line, "\n")] = 0;
    void *module = dlopen(argv[1], RTLD_NOW);
    if (module == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    CK_RV (*list)(CK_FUNCTION_LIST **) = dlsym(module, "C_GetFunctionList");
    check(list(&table), "C_GetFunctionList");
    CK_RV (*initialize)(void *) = table->function[F_Initialize];
    CK_RV (*finalize)(void *) = table->function[F_Finalize];
    CK_RV (*open)(CK_SLOT_ID, CK_FLAGS, void *, void *, CK_SESSION_HANDLE *) = table->function[F_OpenSession];
    CK_RV (*login)(CK_SESSION_HANDLE, CK_ULONG, char *, CK_ULONG) = table->function[F_Login];
    check(initialize(NULL), "C_Initialize");
    check(open(find_slot(argv[2]), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
    check(login(session, CKU_USER, line, strlen(line)), "C_Login");
    long created = 0, signed_ = 0;
    for (int number = 1; fgets(line, sizeof line, stdin) != NULL; number++) {
        CK_BYTE secret[32], point[67] = {0x04, 65};
        unhex(line, secret, 32);
        unhex(line + 65, point + 2, 65);
        long begin = now();
        CK_OBJECT_HANDLE key = import(number, secret, point, atoi(argv[3]));
        long between = now();
        sign(key, between);
        created += between - begin;
        signed_ += now() - between;
    }
    printf("%ld %ld\n", created, signed_);
    check(finalize(NULL), "C_Finalize");
    return 0;
}

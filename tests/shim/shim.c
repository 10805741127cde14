/*
 * A PKCS#11 module for tests. It forwards every call to a real module (SoftHSM2) and can be told to behave like
 * other vendors' modules or to fail. See shim.py for the words of the control file.
 *
 * SHIM_LIBRARY  the real module
 * SHIM_CONTROL  the control file; it is read again whenever it is replaced, so behaviour changes at run time
 * SHIM_TRACE    if set, one line "NAME RV" is appended for every intercepted call
 */
#define _GNU_SOURCE
#include "cryptoki.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_RULES 32

typedef struct {
    char verb[24], name[32], word[72];
    char value[24];
} Rule;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST table;
static Rule rules[MAX_RULES];
static int rule_count;
static struct stat seen;
static int was_removed;
static struct { char name[32]; unsigned long calls; } counters[F_COUNT];

#define REAL(slot, type) ((type)real->function[slot])

typedef CK_RV (*fn_1)(CK_ULONG);
typedef CK_RV (*fn_close_all)(CK_SLOT_ID);
typedef CK_RV (*fn_attributes)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE *, CK_ULONG);
typedef CK_RV (*fn_open)(CK_SLOT_ID, CK_FLAGS, void *, void *, CK_SESSION_HANDLE *);
typedef CK_RV (*fn_session_info)(CK_SESSION_HANDLE, CK_SESSION_INFO *);
typedef CK_RV (*fn_find_init)(CK_SESSION_HANDLE, CK_ATTRIBUTE *, CK_ULONG);
typedef CK_RV (*fn_find)(CK_SESSION_HANDLE, CK_OBJECT_HANDLE *, CK_ULONG, CK_ULONG *);
typedef CK_RV (*fn_slots)(CK_BBOOL, CK_SLOT_ID *, CK_ULONG *);

/* --- the control file ------------------------------------------------------------------------------------ */

static void load_control(void) {
    const char *path = getenv("SHIM_CONTROL");
    struct stat now;
    if (path == NULL || stat(path, &now) != 0) {
        rule_count = 0;
        return;
    }
    if (now.st_ino == seen.st_ino && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec &&
        now.st_mtim.tv_sec == seen.st_mtim.tv_sec && now.st_size == seen.st_size)
        return;
    seen = now;
    rule_count = 0;
    memset(counters, 0, sizeof counters);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return;
    char line[256];
    while (rule_count < MAX_RULES && fgets(line, sizeof line, file) != NULL) {
        Rule *rule = &rules[rule_count];
        memset(rule, 0, sizeof *rule);
        if (sscanf(line, "%23s %31s %71s %23s", rule->verb, rule->name, rule->word, rule->value) >= 1)
            rule_count++;
    }
    fclose(file);
}

static const Rule *find_rule(const char *verb, const char *name) {
    for (int i = 0; i < rule_count; i++)
        if (strcmp(rules[i].verb, verb) == 0 && (name == NULL || strcmp(rules[i].name, name) == 0))
            return &rules[i];
    return NULL;
}

static int quirk(const char *name) {
    pthread_mutex_lock(&lock);
    load_control();
    int found = find_rule("quirk", name) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

static unsigned long count_call(const char *name) {
    for (int i = 0; i < F_COUNT; i++) {
        if (counters[i].name[0] == 0)
            snprintf(counters[i].name, sizeof counters[i].name, "%s", name);
        if (strcmp(counters[i].name, name) == 0)
            return ++counters[i].calls;
    }
    return 0;
}

static CK_RV leave(const char *name, CK_RV rv) {
    const char *path = getenv("SHIM_TRACE");
    if (path != NULL) {
        char line[64];
        int size = snprintf(line, sizeof line, "%s 0x%lx\n", name, rv);
        int out = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (out >= 0) {
            if (write(out, line, (size_t)size) != size)
                rv = CKR_GENERAL_ERROR;
            close(out);
        }
    }
    return rv;
}

/* A token that is pulled loses its sessions and its login; they stay lost when it comes back. */
static void pull_token(void) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    if (REAL(F_GetSlotList, fn_slots)(1, slots, &count) == CKR_OK)
        for (CK_ULONG i = 0; i < count; i++)
            REAL(F_CloseAllSessions, fn_close_all)(slots[i]);
}

/* Whether a rule is about this call: "3" about the third, "3+" about all from the third on, "*" about every one. */
static int counts(const char *word, unsigned long call) {
    char *rest;
    unsigned long from = strtoul(word, &rest, 10);
    return word[0] == '*' || from == call || (*rest == '+' && call > from);
}

static CK_RV enter(const char *name) {
    unsigned delay = 0;
    CK_RV rv = CKR_OK;
    pthread_mutex_lock(&lock);
    load_control();
    unsigned long call = count_call(name);
    int removed = find_rule("removed", NULL) != NULL;
    if (removed && !was_removed)
        pull_token();
    was_removed = removed;
    if (removed && strcmp(name, "C_Initialize") != 0 && strcmp(name, "C_Finalize") != 0 &&
        strcmp(name, "C_GetSlotList") != 0)
        rv = strcmp(name, "C_GetTokenInfo") == 0 || strcmp(name, "C_OpenSession") == 0 ? CKR_TOKEN_NOT_PRESENT
                                                                                         : CKR_DEVICE_REMOVED;
    for (int i = 0; i < rule_count && rv == CKR_OK; i++) {
        const Rule *rule = &rules[i];
        if (strcmp(rule->name, name) != 0)
            continue;
        if (strcmp(rule->verb, "delay") == 0)
            delay = (unsigned)strtoul(rule->word, NULL, 10);
        if (strcmp(rule->verb, "fail") == 0 && counts(rule->word, call))
            rv = strtoul(rule->value, NULL, 16);
    }
    const Rule *hang = find_rule("hang", name);
    int stuck = hang != NULL && (hang->word[0] == 0 || strtoul(hang->word, NULL, 10) == call);
    pthread_mutex_unlock(&lock);
    while (stuck) {
        usleep(5000);
        pthread_mutex_lock(&lock);
        load_control();
        stuck = find_rule("hang", name) != NULL;
        pthread_mutex_unlock(&lock);
    }
    if (delay)
        usleep(delay * 1000);
    return rv;
}

/* ENTER returns from the caller if the control file says that this call fails. */
#define ENTER(name)                                                                                                \
    do {                                                                                                           \
        CK_RV verdict = enter(name);                                                                               \
        if (verdict != CKR_OK)                                                                                     \
            return leave(name, verdict);                                                                           \
    } while (0)

static const CK_BYTE X25519_OID[5] = {0x06, 0x03, 0x2b, 0x65, 0x6e};

/* --- attributes ------------------------------------------------------------------------------------------ */

static CK_ULONG read_one(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG type, CK_BYTE *out, CK_ULONG room) {
    CK_ATTRIBUTE attribute = {type, out, room};
    if (REAL(F_GetAttributeValue, fn_attributes)(session, object, &attribute, 1) != CKR_OK)
        return UNAVAILABLE;
    return attribute.ulValueLen;
}

static CK_ULONG read_number(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG type) {
    CK_ULONG number = UNAVAILABLE;
    return read_one(session, object, type, (CK_BYTE *)&number, sizeof number) == sizeof number ? number : UNAVAILABLE;
}

/* The first object of a class whose attribute has this value, found in a session of its own. */
static CK_OBJECT_HANDLE find_other(
    CK_SESSION_HANDLE session, CK_ULONG class, CK_ULONG type, CK_BYTE *value, CK_ULONG size, CK_OBJECT_HANDLE not
) {
    CK_SESSION_INFO info;
    CK_SESSION_HANDLE own;
    CK_OBJECT_HANDLE found[16], result = 0;
    CK_ULONG count = 0;
    CK_ATTRIBUTE template[2] = {{CKA_CLASS, &class, sizeof class}, {type, value, size}};
    if (REAL(F_GetSessionInfo, fn_session_info)(session, &info) != CKR_OK ||
        REAL(F_OpenSession, fn_open)(info.slotID, CKF_SERIAL_SESSION, NULL, NULL, &own) != CKR_OK)
        return 0;
    if (REAL(F_FindObjectsInit, fn_find_init)(own, template, 2) == CKR_OK &&
        REAL(F_FindObjects, fn_find)(own, found, 16, &count) == CKR_OK)
        for (CK_ULONG i = 0; i < count && result == 0; i++)
            if (found[i] != not)
                result = found[i];
    REAL(F_CloseSession, fn_1)(own);
    return result;
}

/* DER OCTET STRING to its content; lengths below 128 are all there is on these curves. */
static CK_ULONG strip_header(CK_BYTE *value, CK_ULONG size) {
    if (size > 2 && value[0] == 0x04 && value[1] == size - 2) {
        memmove(value, value + 2, size - 2);
        return size - 2;
    }
    return size;
}

static CK_ULONG printable_params(CK_BYTE *value, CK_ULONG size) {
    static const struct { const char *oid; CK_ULONG size; const char *name; } names[] = {
        {"\x06\x03\x2b\x65\x70", 5, "edwards25519"},
        {"\x06\x03\x2b\x65\x6e", 5, "curve25519"},
        {"\x06\x05\x2b\x81\x04\x00\x0a", 7, "secp256k1"},
        {"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10, "secp256r1"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (size == names[i].size && memcmp(value, names[i].oid, size) == 0) {
            CK_ULONG length = strlen(names[i].name);
            value[0] = 0x13;
            value[1] = (CK_BYTE)length;
            memcpy(value + 2, names[i].name, length);
            return length + 2;
        }
    return size;
}

static CK_ULONG read_point(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_BYTE *out, CK_ULONG room) {
    CK_ULONG class = read_number(session, object, CKA_CLASS);
    CK_OBJECT_HANDLE source = object;
    if (quirk("point_on_private")) {
        CK_BYTE id[128];
        if (class != CKO_PRIVATE_KEY)
            return UNAVAILABLE;
        CK_ULONG size = read_one(session, object, CKA_ID, id, sizeof id);
        if (size == UNAVAILABLE)
            return UNAVAILABLE;
        source = find_other(session, CKO_PUBLIC_KEY, CKA_ID, id, size, 0);
    }
    CK_ULONG size = read_one(session, source, CKA_EC_POINT, out, room);
    return size != UNAVAILABLE && quirk("raw_ec_point") ? strip_header(out, size) : size;
}

static CK_RV read_changed(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attribute) {
    CK_BYTE value[512] __attribute__((aligned(8)));
    CK_ULONG size;
    if (attribute->type == CKA_KEY_TYPE) {
        size = read_one(session, object, CKA_EC_PARAMS, value, sizeof value);
        int x25519 = size == sizeof X25519_OID && memcmp(value, X25519_OID, size) == 0;
        size = read_one(session, object, CKA_KEY_TYPE, value, sizeof value);
        if (size != UNAVAILABLE && x25519 && quirk("montgomery"))
            *(CK_ULONG *)value = CKK_EC_MONTGOMERY;
    } else if (attribute->type == CKA_EC_POINT) {
        size = read_point(session, object, value, sizeof value);
    } else {
        size = read_one(session, object, CKA_EC_PARAMS, value, sizeof value);
        if (size != UNAVAILABLE && quirk("printable_params"))
            size = printable_params(value, size);
    }
    CK_ULONG room = attribute->ulValueLen;
    attribute->ulValueLen = size;
    if (size == UNAVAILABLE)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    if (attribute->pValue == NULL)
        return CKR_OK;
    if (room < size) {
        attribute->ulValueLen = UNAVAILABLE;
        return CKR_BUFFER_TOO_SMALL;
    }
    memcpy(attribute->pValue, value, size);
    return CKR_OK;
}

static CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template, CK_ULONG count) {
    ENTER("C_GetAttributeValue");
    CK_RV result = CKR_OK;
    for (CK_ULONG i = 0; i < count; i++) {
        CK_ULONG type = template[i].type;
        CK_RV rv = type == CKA_EC_POINT || type == CKA_EC_PARAMS || type == CKA_KEY_TYPE
                       ? read_changed(session, object, &template[i])
                       : REAL(F_GetAttributeValue, fn_attributes)(session, object, &template[i], 1);
        if (rv == CKR_OK && type == CKA_TRUSTED && template[i].pValue != NULL && quirk("user_trusts"))
            *(CK_BBOOL *)template[i].pValue = 1;
        if (rv != CKR_OK)
            result = rv;
    }
    return leave("C_GetAttributeValue", result);
}

/* With the quirk "montgomery" x25519 has the key type and the mechanism of PKCS#11 3.0, and no others. */
static CK_RV bend_montgomery(CK_ATTRIBUTE *template, CK_ULONG count, CK_ULONG *edwards) {
    int x25519 = 0, montgomery = 0;
    if (!quirk("montgomery"))
        return CKR_OK;
    for (CK_ULONG i = 0; i < count; i++) {
        if (template[i].type == CKA_EC_PARAMS && template[i].ulValueLen == sizeof X25519_OID)
            x25519 = memcmp(template[i].pValue, X25519_OID, sizeof X25519_OID) == 0;
        if (template[i].type == CKA_KEY_TYPE && *(CK_ULONG *)template[i].pValue == CKK_EC_MONTGOMERY) {
            montgomery = 1;
            template[i].pValue = edwards;
        }
    }
    return x25519 && !montgomery ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_OK;
}

/* With the quirk "wrap_untrusted" any key wraps, with "user_trusts" the user can call a key trusted. */
static void bend_trust(CK_ATTRIBUTE *template, CK_ULONG count, CK_BBOOL *no) {
    for (CK_ULONG i = 0; i < count; i++)
        if ((template[i].type == CKA_WRAP_WITH_TRUSTED && quirk("wrap_untrusted")) ||
            (template[i].type == CKA_TRUSTED && quirk("user_trusts")))
            template[i].pValue = no;
}

/* A copy of a template in which EXTRACTABLE is as the quirk wants it. */
static CK_ULONG bend_extractable(const CK_ATTRIBUTE *from, CK_ULONG count, CK_ATTRIBUTE *to, CK_ULONG room, CK_BBOOL *yes) {
    int present = 0;
    CK_ULONG used = 0;
    for (CK_ULONG i = 0; i < count && used < room; i++) {
        to[used] = from[i];
        if (from[i].type == CKA_EXTRACTABLE) {
            present = 1;
            if (quirk("ignore_extractable"))
                to[used].pValue = yes;
        }
        used++;
    }
    if (!present && used < room && (quirk("extractable_default") || quirk("ignore_extractable"))) {
        to[used].type = CKA_EXTRACTABLE;
        to[used].pValue = yes;
        to[used++].ulValueLen = sizeof *yes;
    }
    return used;
}

static CK_RV C_GenerateKeyPair(
    CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public, CK_ULONG public_count,
    CK_ATTRIBUTE *private, CK_ULONG private_count, CK_OBJECT_HANDLE *public_out, CK_OBJECT_HANDLE *private_out
) {
    typedef CK_RV (*fn)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_ATTRIBUTE *, CK_ULONG, CK_ATTRIBUTE *, CK_ULONG,
                        CK_OBJECT_HANDLE *, CK_OBJECT_HANDLE *);
    ENTER("C_GenerateKeyPair");
    CK_ATTRIBUTE bent[64], bent_public[64];
    CK_BBOOL yes = 1, no = 0;
    CK_ULONG edwards = CKK_EC_EDWARDS;
    CK_MECHANISM changed = *mechanism;
    CK_ULONG count = bend_extractable(private, private_count, bent, 64, &yes);
    bend_trust(bent, count, &no);
    if (public_count > 64)
        return leave("C_GenerateKeyPair", CKR_GENERAL_ERROR);
    memcpy(bent_public, public, public_count * sizeof *public);
    CK_RV rv = bend_montgomery(bent_public, public_count, &edwards);
    if (rv == CKR_OK)
        rv = bend_montgomery(bent, count, &edwards);
    if (quirk("montgomery") && mechanism->mechanism == CKM_EC_MONTGOMERY_KEY_PAIR_GEN)
        changed.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN;
    if (rv == CKR_OK)
        rv = REAL(F_GenerateKeyPair, fn)(session, &changed, bent_public, public_count, bent, count, public_out,
                                         private_out);
    return leave("C_GenerateKeyPair", rv);
}

static CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *out) {
    typedef CK_RV (*fn)(CK_SESSION_HANDLE, CK_ATTRIBUTE *, CK_ULONG, CK_OBJECT_HANDLE *);
    ENTER("C_CreateObject");
    CK_ATTRIBUTE bent[64];
    CK_BBOOL yes = 1, no = 0;
    CK_ULONG class = 0;
    for (CK_ULONG i = 0; i < count; i++)
        if (template[i].type == CKA_CLASS && template[i].ulValueLen == sizeof class)
            memcpy(&class, template[i].pValue, sizeof class);
    CK_ULONG edwards = CKK_EC_EDWARDS;
    if (count > 64)
        return leave("C_CreateObject", CKR_GENERAL_ERROR);
    memcpy(bent, template, count * sizeof *template);
    if (class == CKO_PRIVATE_KEY)
        count = bend_extractable(template, count, bent, 64, &yes);
    bend_trust(bent, count, &no);
    CK_RV rv = bend_montgomery(bent, count, &edwards);
    return leave("C_CreateObject", rv != CKR_OK ? rv : REAL(F_CreateObject, fn)(session, bent, count, out));
}

/* --- signing --------------------------------------------------------------------------------------------- */

/* Order of the group of secp256k1 and the x coordinate of its generator (SEC 2), big-endian. */
static const CK_BYTE ORDER[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
                                  0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
static const CK_BYTE GENERATOR_X[32] = {0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62,
                                        0x95, 0xce, 0x87, 0x0b, 0x07, 0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce,
                                        0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98};

static int subtract_order(CK_BYTE *value, int carry) {
    CK_BYTE difference[32];
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int part = value[i] - ORDER[i] - borrow;
        borrow = part < 0;
        difference[i] = (CK_BYTE)part;
    }
    if (borrow && !carry)
        return 0;
    memcpy(value, difference, 32);
    return 1;
}

static void add_mod(CK_BYTE *sum, const CK_BYTE *other) {
    int carry = 0;
    for (int i = 31; i >= 0; i--) {
        int part = sum[i] + other[i] + carry;
        carry = part >> 8;
        sum[i] = (CK_BYTE)part;
    }
    subtract_order(sum, carry);
}

/* ECDSA over secp256k1 with the nonce 1, so R is the generator: a valid signature, and always the same r. */
static void sign_with_nonce_one(const char *scalar_hex, const CK_BYTE *digest, CK_BYTE *signature) {
    CK_BYTE scalar[32], s[32] = {0};
    for (int i = 0; i < 32; i++) {
        char pair[3] = {scalar_hex[2 * i], scalar_hex[2 * i + 1], 0};
        scalar[i] = (CK_BYTE)strtoul(pair, NULL, 16);
    }
    for (int bit = 0; bit < 256; bit++) {
        CK_BYTE doubled[32];
        memcpy(doubled, s, 32);
        add_mod(s, doubled);
        if (GENERATOR_X[bit / 8] >> (7 - bit % 8) & 1)
            add_mod(s, scalar);
    }
    CK_BYTE z[32];
    memcpy(z, digest, 32);
    subtract_order(z, 0);
    add_mod(s, z);
    memcpy(signature, GENERATOR_X, 32);
    memcpy(signature + 32, s, 32);
}

static CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key) {
    typedef CK_RV (*fn)(CK_SESSION_HANDLE, CK_MECHANISM *, CK_OBJECT_HANDLE);
    ENTER("C_SignInit");
    pthread_mutex_lock(&lock);
    int wrong = find_rule("signature", "wrong_key") != NULL;
    pthread_mutex_unlock(&lock);
    if (wrong) {
        CK_BYTE params[64];
        CK_ULONG size = read_one(session, key, CKA_EC_PARAMS, params, sizeof params);
        CK_OBJECT_HANDLE other = find_other(session, CKO_PRIVATE_KEY, CKA_EC_PARAMS, params, size, key);
        if (other != 0)
            key = other;
    }
    return leave("C_SignInit", REAL(F_SignInit, fn)(session, mechanism, key));
}

static CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG size, CK_BYTE *signature, CK_ULONG *length) {
    typedef CK_RV (*fn)(CK_SESSION_HANDLE, CK_BYTE *, CK_ULONG, CK_BYTE *, CK_ULONG *);
    ENTER("C_Sign");
    Rule rule = {0};
    pthread_mutex_lock(&lock);
    const Rule *found = find_rule("signature", NULL);
    if (found != NULL)
        rule = *found;
    pthread_mutex_unlock(&lock);
    CK_ULONG room = *length;
    CK_RV rv = REAL(F_Sign, fn)(session, data, size, signature, length);
    if (rv == CKR_OK && signature != NULL) {
        if (strcmp(rule.name, "half") == 0)
            *length = *length / 2;
        else if (strcmp(rule.name, "garbage") == 0)
            signature[40] ^= 1;
        else if (strcmp(rule.name, "nonce_one") == 0 && size == 32)
            sign_with_nonce_one(rule.word, data, signature);
        else if (strcmp(rule.name, "long") == 0 && room >= *length + 8) {
            memset(signature + *length, 0, 8);
            *length += 8;
        } else if (strcmp(rule.name, "lost") == 0)
            rv = CKR_SESSION_HANDLE_INVALID;
    }
    return leave("C_Sign", rv);
}

/* --- slots, tokens and the rest ---------------------------------------------------------------------------- */

static CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *slots, CK_ULONG *count) {
    ENTER("C_GetSlotList");
    if (present && was_removed) {
        *count = 0;
        return leave("C_GetSlotList", CKR_OK);
    }
    return leave("C_GetSlotList", REAL(F_GetSlotList, fn_slots)(present, slots, count));
}

static CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info) {
    typedef CK_RV (*fn)(CK_SLOT_ID, CK_TOKEN_INFO *);
    ENTER("C_GetTokenInfo");
    CK_RV rv = REAL(F_GetTokenInfo, fn)(slot, info);
    pthread_mutex_lock(&lock);
    const Rule *flags = find_rule("token_flags", NULL);
    if (rv == CKR_OK && flags != NULL)
        info->flags |= strtoul(flags->name, NULL, 16);
    pthread_mutex_unlock(&lock);
    return leave("C_GetTokenInfo", rv);
}

#define FORWARD(name, declared, passed)                                                                            \
    static CK_RV C_##name declared {                                                                               \
        typedef CK_RV(*fn) declared;                                                                               \
        ENTER("C_" #name);                                                                                         \
        return leave("C_" #name, REAL(F_##name, fn) passed);                                                       \
    }

FORWARD(Initialize, (void *arguments), (arguments))
FORWARD(Finalize, (void *reserved), (reserved))
FORWARD(InitToken, (CK_SLOT_ID slot, CK_BYTE *pin, CK_ULONG size, CK_BYTE *label), (slot, pin, size, label))
FORWARD(OpenSession, (CK_SLOT_ID slot, CK_FLAGS flags, void *data, void *notify, CK_SESSION_HANDLE *out),
        (slot, flags, data, notify, out))
FORWARD(CloseSession, (CK_SESSION_HANDLE session), (session))
FORWARD(CloseAllSessions, (CK_SLOT_ID slot), (slot))
FORWARD(GetSessionInfo, (CK_SESSION_HANDLE session, CK_SESSION_INFO *info), (session, info))
FORWARD(Login, (CK_SESSION_HANDLE session, CK_ULONG user, CK_BYTE *pin, CK_ULONG size), (session, user, pin, size))
FORWARD(Logout, (CK_SESSION_HANDLE session), (session))
FORWARD(DestroyObject, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object), (session, object))
FORWARD(SetAttributeValue, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *values, CK_ULONG count),
        (session, object, values, count))
FORWARD(FindObjectsInit, (CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count), (session, template, count))
FORWARD(FindObjects, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *out, CK_ULONG room, CK_ULONG *count),
        (session, out, room, count))
FORWARD(FindObjectsFinal, (CK_SESSION_HANDLE session), (session))
FORWARD(DeriveKey,
        (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base, CK_ATTRIBUTE *template,
         CK_ULONG count, CK_OBJECT_HANDLE *out),
        (session, mechanism, base, template, count, out))
FORWARD(GenerateRandom, (CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG count), (session, out, count))

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list) {
    pthread_mutex_lock(&lock);
    if (real == NULL) {
        const char *path = getenv("SHIM_LIBRARY");
        void *library = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
        CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;
        if (library != NULL)
            *(void **)&get = dlsym(library, "C_GetFunctionList");
        if (get == NULL || get(&real) != CKR_OK || real == NULL) {
            real = NULL;
            pthread_mutex_unlock(&lock);
            return CKR_GENERAL_ERROR;
        }
        table = *real;
        table.function[F_GetFunctionList] = (void *)C_GetFunctionList;
#define TAKE(name) table.function[F_##name] = (void *)C_##name
        TAKE(Initialize), TAKE(Finalize), TAKE(GetSlotList), TAKE(GetTokenInfo), TAKE(InitToken), TAKE(OpenSession);
        TAKE(CloseSession), TAKE(CloseAllSessions), TAKE(GetSessionInfo), TAKE(Login), TAKE(Logout);
        TAKE(CreateObject), TAKE(DestroyObject), TAKE(GetAttributeValue), TAKE(SetAttributeValue);
        TAKE(FindObjectsInit), TAKE(FindObjects), TAKE(FindObjectsFinal), TAKE(SignInit), TAKE(Sign);
        TAKE(GenerateKeyPair), TAKE(DeriveKey), TAKE(GenerateRandom);
    }
    pthread_mutex_unlock(&lock);
    *list = &table;
    if (quirk("fresh_tables")) {
        *list = malloc(sizeof table);
        if (*list == NULL)
            return CKR_GENERAL_ERROR;
        **list = table;
    }
    return CKR_OK;
}

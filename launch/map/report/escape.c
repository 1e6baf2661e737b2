#include "launch/map/report/escape.h"

#include <stdint.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* The bytes of the UTF-8 character in front; 0 when there is none: torn, overlong, a surrogate, or
 * beyond Unicode. */
static size_t character_size(const char *bytes, size_t size)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char first = (unsigned char)bytes[0];
    size_t wanted = first < 0x80             ? 1
                    : (first & 0xe0) == 0xc0 ? 2
                    : (first & 0xf0) == 0xe0 ? 3
                    : (first & 0xf8) == 0xf0 ? 4
                                             : 0;
    uint32_t code = first & (0xffU >> (wanted + 1));

    if (wanted == 1)
        return 1;
    if (wanted == 0 || wanted > size)
        return 0;
    for (size_t i = 1; i < wanted; i++) {
        if (((unsigned char)bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)bytes[i] & 0x3f);
    }
    return code < least[wanted] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0
                                                                                         : wanted;
}

static bool is_control(const char *bytes, size_t character)
{
    unsigned char first = (unsigned char)bytes[0];

    if (character == 1)
        return first < ' ' || first == 0x7f;
    return character == 2 && first == 0xc2 && (unsigned char)bytes[1] < 0xa0; /* C1 */
}

bool escape_json(struct text *text, const char *bytes, size_t size)
{
    static const char shorts[] = "\b\f\n\r\t", letters[] = "bfnrt";
    bool is_text = true;

    text_append_bytes(text, "\"", 1);
    for (size_t i = 0; i < size;) {
        size_t character = character_size(bytes + i, size - i);
        const char *known = bytes[i] != '\0' ? strchr(shorts, bytes[i]) : NULL;

        is_text = is_text && character > 0;
        if (character == 0)
            text_append_bytes(text, replacement, strlen(replacement));
        else if (known != NULL)
            text_append(text, "\\%c", letters[known - shorts]);
        else if (bytes[i] == '"' || bytes[i] == '\\')
            text_append(text, "\\%c", bytes[i]);
        else if (is_control(bytes + i, character) && character == 1)
            text_append(text, "\\u%04x", (unsigned)bytes[i]);
        else
            text_append_bytes(text, bytes + i, character);
        i += character > 0 ? character : 1;
    }
    text_append_bytes(text, "\"", 1);
    return is_text;
}

void escape_base64(struct text *text, const char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    enum { GROUP = 3, BITS = 6 };

    text_append_bytes(text, "\"", 1);
    for (size_t i = 0; i < size; i += GROUP) {
        size_t count = size - i < GROUP ? size - i : GROUP;
        uint32_t group = 0;
        char four[] = "====";

        for (size_t j = 0; j < GROUP; j++)
            group = group << 8 | (j < count ? (unsigned char)bytes[i + j] : 0);
        for (size_t j = 0; j <= count; j++)
            four[j] = digits[group >> (GROUP - j) * BITS & 0x3f];
        text_append_bytes(text, four, 4);
    }
    text_append_bytes(text, "\"", 1);
}

static const char *xml_entity(char character)
{
    switch (character) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return "&#10;";
    case '\t':
        return "&#9;";
    default:
        return NULL;
    }
}

void escape_xml(struct text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t character = character_size(bytes + i, size - i);
        const char *entity = xml_entity(bytes[i]);
        /* Two characters at the end of the first plane are none, and XML refuses them. */
        bool is_none = character == 3 && memcmp(bytes + i, "\xef\xbf", 2) == 0 &&
                       (unsigned char)bytes[i + 2] >= 0xbe;

        if (entity != NULL)
            text_append(text, "%s", entity);
        else if (character == 0 || is_none || is_control(bytes + i, character))
            text_append_bytes(text, replacement, strlen(replacement));
        else
            text_append_bytes(text, bytes + i, character);
        i += character > 0 ? character : 1;
    }
}

void escape_terminal(struct text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t character = character_size(bytes + i, size - i);

        if (character == 0 || is_control(bytes + i, character))
            text_append_bytes(text, "?", 1);
        else
            text_append_bytes(text, bytes + i, character);
        i += character > 0 ? character : 1;
    }
}

size_t escape_cut(const char *bytes, size_t size, size_t characters)
{
    size_t at = 0;

    for (; at < size && characters > 0; characters--) {
        size_t character = character_size(bytes + at, size - at);

        at += character > 0 ? character : 1;
    }
    return at;
}

/*
 * snprintf(3) for the engine's messages, in place of musl's, which brings all of its formatting of floating-point numbers and
 * its table of error messages: 12 KB. The engine formats numbers of JavaScript itself.
 *
 * %c %d %i %p %s %u %x and %%, with a width, the flag `0`, a precision for %s, and the sizes `l`, `ll` and `z`.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct output {
    char *at, *end;
    size_t length;
};

static void put(struct output *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length && out->at < out->end; i++)
        *out->at++ = text[i];
    out->length += length;
}

static void pad(struct output *out, char with, int width, size_t length)
{
    for (; width > 0 && (size_t)width > length; width--)
        put(out, &with, 1);
}

/* Writes digits that end at `end`, and returns the first. */
static const char *digits(uint64_t value, unsigned base, char *end)
{
    do
        *--end = "0123456789abcdef"[value % base];
    while (value /= base);
    return end;
}

/* Reads a width or a precision: digits, or a `*` for the next argument. */
static int number(const char **format, va_list *arguments)
{
    int value = 0;
    if (**format == '*') {
        ++*format;
        return va_arg(*arguments, int);
    }
    for (; **format >= '0' && **format <= '9'; ++*format)
        value = value * 10 + (**format - '0');
    return value;
}

static void put_number(struct output *out, char kind, int is_long, char with, int width, va_list *arguments)
{
    char text[24], *end = text + sizeof text;
    int is_signed = kind == 'd' || kind == 'i';
    int64_t value;
    if (is_long)
        value = va_arg(*arguments, int64_t);
    else
        value = is_signed ? va_arg(*arguments, int) : (int64_t)va_arg(*arguments, unsigned);
    int is_negative = is_signed && value < 0;
    const char *first = digits(is_negative ? -(uint64_t)value : (uint64_t)value, kind == 'x' ? 16 : 10, end);
    size_t length = end - first + is_negative;
    if (with == ' ')
        pad(out, with, width, length);
    put(out, "-", is_negative);
    if (with == '0')
        pad(out, with, width, length);
    put(out, first, end - first);
}

int vsnprintf(char *restrict buffer, size_t size, const char *restrict format, va_list given)
{
    struct output out = {buffer, buffer + (size ? size - 1 : 0), 0};
    va_list arguments;
    va_copy(arguments, given);
    while (*format) {
        const char *mark = strchr(format, '%');
        size_t plain = mark ? (size_t)(mark - format) : strlen(format);
        put(&out, format, plain);
        format += plain;
        if (!mark)
            break;
        format++;
        char with = ' ';
        if (*format == '0')
            with = *format++;
        int width = number(&format, &arguments), precision = -1, is_long = 0;
        if (*format == '.') {
            format++;
            precision = number(&format, &arguments);
        }
        for (; *format == 'l' || *format == 'z'; format++)
            is_long = 1;
        char kind = *format ? *format++ : '%';
        if (kind == 's') {
            const char *text = va_arg(arguments, const char *);
            size_t length = precision < 0 ? strlen(text) : strnlen(text, precision);
            pad(&out, ' ', width, length);
            put(&out, text, length);
        } else if (kind == 'c') {
            put(&out, (char[]){va_arg(arguments, int)}, 1);
        } else if (kind == 'p') {
            put(&out, "0x", 2);
            put_number(&out, 'x', 1, ' ', 0, &arguments);
        } else if (kind == 'd' || kind == 'i' || kind == 'u' || kind == 'x') {
            put_number(&out, kind, is_long, with, width, &arguments);
        } else {
            put(&out, &kind, 1);
        }
    }
    va_end(arguments);
    if (size)
        *out.at = 0;
    return out.length;
}

int snprintf(char *restrict buffer, size_t size, const char *restrict format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}

/* Classes of values. */
#ifndef EXPOSED_SECRET_SHAPES_H
#define EXPOSED_SECRET_SHAPES_H

/*
 * The class of a value: the name of a secret's shape; "empty", "placeholder", "flag", "path", "url"
 * for what is none; "" for everything else.
 */
const char *value_shape(const char *value);

#endif

/* Unpacks the heap that the build has made to its address, which must be mapped and zero. */
void unpack_image(void);

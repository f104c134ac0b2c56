/* Puts the heap that the build has made into its place, which is mapped. */
void unpack_image(void);

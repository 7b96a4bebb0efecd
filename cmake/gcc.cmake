# Toolchain of the gcc presets.
if(NOT CMAKE_C_COMPILER)
	set(CMAKE_C_COMPILER gcc)
endif()

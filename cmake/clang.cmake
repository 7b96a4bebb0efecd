# Toolchain of the clang presets: 14 where it is installed, so that results do not
# depend on what else is; otherwise the distribution's own.
if(NOT CMAKE_C_COMPILER)
	find_program(natsid_clang NAMES clang-14 clang REQUIRED)
	set(CMAKE_C_COMPILER ${natsid_clang})
endif()

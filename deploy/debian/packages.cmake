# Debian packages, one a component: `cpack -G DEB` in a build folder (docs/operations.md, decision 0030). They are for the
# distribution that they were built on; what a program needs of it, dpkg-shlibdeps finds out.
# Paths are relative to the root: `cmake --install BUILD --prefix /` puts the same files there.

# godwit_package(COMPONENT USER yes|no UNITS ... CONFIGS ... TARGETS ... DOCS ...): what goes into godwit-COMPONENT.
function(godwit_package component)
  cmake_parse_arguments(ARG "" "USER;STATE;DEPENDS;RECOMMENDS;SUMMARY;FOLDER" "UNITS;CONFIGS;TARGETS;DOCS" ${ARGN})
  set(package godwit-${component})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER usr/bin)
  endif()
  install(TARGETS ${ARG_TARGETS} RUNTIME DESTINATION ${ARG_FOLDER} COMPONENT ${component})
  install(FILES ${ARG_DOCS} DESTINATION usr/share/doc/${package} COMPONENT ${component})
  set(conffiles "")
  foreach(config ${ARG_CONFIGS})
    install(FILES ${PROJECT_SOURCE_DIR}/deploy/etc/${config}.conf DESTINATION etc/godwit
      PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ COMPONENT ${component})
    string(APPEND conffiles "/etc/godwit/${config}.conf\n")
  endforeach()
  foreach(unit ${ARG_UNITS})
    install(FILES ${PROJECT_SOURCE_DIR}/deploy/systemd/${unit}.service DESTINATION lib/systemd/system COMPONENT ${component})
  endforeach()

  set(control ${CMAKE_BINARY_DIR}/packaging/${component})
  set(extra "")
  if(conffiles)
    file(WRITE ${control}/conffiles "${conffiles}")
    list(APPEND extra ${control}/conffiles)
  endif()
  list(TRANSFORM ARG_UNITS APPEND .service OUTPUT_VARIABLE units)
  list(JOIN units " " UNITS)
  list(JOIN ARG_CONFIGS " " CONFIGS)
  set(NEEDS_USER ${ARG_USER})
  set(STATE "${ARG_STATE}")
  set(PACKAGE ${package})
  if(component STREQUAL agent)
    set(scripts agent.postinst agent.prerm agent.postrm)
  elseif(ARG_UNITS)
    set(scripts service.postinst service.prerm service.postrm)
  else()
    set(scripts "")
  endif()
  foreach(script ${scripts})
    get_filename_component(name ${script} LAST_EXT)
    string(SUBSTRING ${name} 1 -1 name)
    configure_file(${PROJECT_SOURCE_DIR}/deploy/debian/${script} ${control}/${name} @ONLY
      FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
    list(APPEND extra ${control}/${name})
  endforeach()

  string(TOUPPER ${component} key)
  foreach(pair
      "CPACK_DEBIAN_${key}_PACKAGE_NAME=${package}"
      "CPACK_DEBIAN_${key}_PACKAGE_CONTROL_EXTRA=${extra}"
      "CPACK_DEBIAN_${key}_PACKAGE_CONTROL_STRICT_PERMISSION=ON"
      "CPACK_DEBIAN_${key}_PACKAGE_DEPENDS=${ARG_DEPENDS}"
      "CPACK_DEBIAN_${key}_PACKAGE_RECOMMENDS=${ARG_RECOMMENDS}"
      "CPACK_COMPONENT_${key}_DESCRIPTION=${ARG_SUMMARY}")
    string(REGEX MATCH "^([^=]+)=(.*)$" all "${pair}")
    set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}" PARENT_SCOPE)
  endforeach()
  set(GODWIT_PACKAGES ${GODWIT_PACKAGES} ${component} PARENT_SCOPE)
endfunction()

set(docs ${PROJECT_SOURCE_DIR}/docs)
set(GODWIT_PACKAGES "")
godwit_package(control USER yes STATE machines
  SUMMARY "Godwit: registry, replication coordinator, conversion service, jobs"
  DEPENDS "adduser" RECOMMENDS "ca-certificates, postgresql | postgresql-client, qemu-system-x86, qemu-utils, ovmf, openssh-client"
  TARGETS godwit-registry godwit-replication godwit-conversion godwit-jobs godwit-migrate
  CONFIGS migrate registry replication conversion jobs
  UNITS godwit-migrate godwit-registry godwit-replication godwit-conversion godwit-jobs
  DOCS ${docs}/operations.md ${docs}/events.md ${docs}/metrics.md ${docs}/jobs.md ${docs}/targets.md ${docs}/replication.md)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/deploy/profiles/ DESTINATION usr/share/godwit/profiles COMPONENT control
  FILES_MATCHING PATTERN *.json)
install(FILES ${PROJECT_SOURCE_DIR}/deploy/sql/roles.sql DESTINATION usr/share/godwit COMPONENT control)
godwit_package(worker USER yes STATE store
  SUMMARY "Godwit: replication worker, which receives and keeps the blocks of source servers"
  DEPENDS "adduser, qemu-utils"
  TARGETS godwit-replication-worker CONFIGS replication-worker UNITS godwit-replication-worker
  DOCS ${docs}/operations.md ${docs}/staging.md ${docs}/encryption.md)
godwit_package(conversion-worker USER yes STATE conversion
  SUMMARY "Godwit: conversion worker, which makes copies of servers bootable in throw-away machines"
  DEPENDS "adduser, qemu-system-x86, qemu-utils, dosfstools"
  TARGETS godwit-conversion-worker CONFIGS conversion-worker UNITS godwit-conversion-worker
  DOCS ${docs}/operations.md ${docs}/conversion.md)
install(DIRECTORY ${CMAKE_BINARY_DIR}/appliance/ DESTINATION usr/lib/godwit/appliance COMPONENT conversion-worker)
godwit_package(gateway USER no
  SUMMARY "Godwit: gateway, the API of AWS MGN over HTTPS, and the installer of the agent"
  TARGETS godwit-gateway CONFIGS gateway UNITS godwit-gateway
  DOCS ${docs}/gateway.md ${docs}/operations.md ${docs}/security.md)
godwit_package(agent USER no FOLDER usr/sbin
  SUMMARY "Godwit: agent for the servers to be moved (enrol with `godwit-agent install`)"
  TARGETS godwit-agent DOCS ${docs}/cli.md ${docs}/change-tracking.md)
godwit_package(cli USER no
  SUMMARY "Godwit: the command line"
  TARGETS godwit DOCS ${docs}/cli.md)

set(CPACK_PACKAGE_NAME godwit)
set(CPACK_PACKAGE_VENDOR Godwit)
set(CPACK_PACKAGE_CONTACT "The operators of this installation <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Moves running servers to other machines")
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_COMPONENTS_ALL ${GODWIT_PACKAGES})
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_THREADS 2)
include(CPack)

include(GNUInstallDirs)
install(TARGETS kscpush RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES docs/kscpush.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES completions/kscpush.bash RENAME kscpush
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES completions/_kscpush DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES completions/kscpush.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES packaging/kscpush.service packaging/kscpush.socket packaging/kscpush-agent.service
        DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
